"""IAX2 (RFC 5456): ``parse`` and the lazy ``IaxFrame``. The same small interface as every protocol folder."""

from sipsensor.protocols.iax2.frame import IaxFrame, parse

__all__ = ["IaxFrame", "parse"]
