"""SIP (RFC 3261): ``parse`` and the lazy ``SipMessage``. The same small interface as every protocol folder."""

from sipsensor.protocols.sip.message import SipMessage, parse

__all__ = ["SipMessage", "parse"]
