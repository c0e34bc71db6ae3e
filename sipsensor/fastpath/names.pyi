"""The closed lists of the SIP grammar as numbers: methods, header fields, named fields; beside them the elements of IAX2."""

METHODS: tuple[bytes, ...]
"""Method names; the index is the method's number. ``METHOD_OTHER`` stands for every other token."""
METHOD_OTHER: int
HEADERS: dict[str, int]
"""Canonical lower-case header names ("user-agent") and their numbers. Compact forms map onto the same numbers."""
ELEMENTS: dict[str, int]
"""Names and numbers of IAX2's information elements (RFC 5456 8.6). As a field each is called "ie." and its name."""
COMPACT_FORMS: dict[str, str]
"""Compact letter to canonical name (RFC 3261 7.3.3 and the IANA registry)."""
FIELDS: dict[str, int]
"""Every name that a signature or a view may ask for: derived fields ("from.tag", "via.branch", "uri.user", "body", "sdp.session", …)
all header names, and the elements of IAX2. A header's number here is ``FIELD_HEADERS + HEADERS[name]``."""
FIELD_HEADERS: int
ANOMALIES: dict[str, int]
"""Anomaly names and their bit numbers in ``Examined.anomalies``: odd, but parsed."""
MALFORMATIONS: dict[str, int]
"""Names and numbers of the ways in which a message is not parseable, as in ``Examined.malformation``."""

def header_number(name: bytes) -> int:
    """The number of a header field name as sent (any case, compact or long), or -1."""
