"""sipsensor: a network-level SIP and IAX2 inspection sensor. Start with ``model`` and ``engine``."""

__version__ = "0.1.0.dev0"
