# cython: language_level=3, boundscheck=False, wraparound=False
"""The closed lists of the SIP grammar as numbers, and their look-up in C; beside them the elements of IAX2.

Methods are compared without case although RFC 3261 7.1 says with: Kamailio and pjsip compare without, and a scanner needs only one of them.
Header names are put into a hash table by length and first eight letters at import, so that a look-up compares with one or two names.
"""

from libc.stdint cimport int16_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from sipsensor.fastpath.cursor cimport Cursor, Span, at, cursor_over, end_of_word, folded64

METHODS = (
    b"INVITE", b"ACK", b"BYE", b"CANCEL", b"REGISTER", b"OPTIONS", b"SUBSCRIBE", b"NOTIFY", b"PUBLISH", b"MESSAGE", b"INFO", b"PRACK",
    b"UPDATE", b"REFER",
)
METHOD_OTHER = M_OTHER

# The IANA registry's header fields in use, and a few of vendors that signatures ask for. The first ones in the order of `Header_`.
_HEADERS = (
    "via from to call-id cseq contact max-forwards user-agent content-length content-type authorization proxy-authorization expires server "
    "route record-route "
    "accept accept-contact accept-encoding accept-language accept-resource-priority additional-identity alert-info allow allow-events "
    "answer-mode authentication-info call-info cellular-network-info cisco-guid content-disposition content-encoding content-id "
    "content-language date diversion encryption error-info event feature-caps flow-timer geolocation geolocation-error geolocation-routing "
    "hide history-info identity identity-info in-reply-to info-package join max-breadth mime-version min-expires min-se organization "
    "origination-id p-access-network-info p-answer-state p-asserted-identity p-asserted-service p-associated-uri p-called-party-id "
    "p-charging-function-addresses p-charging-vector p-dcs-trace-party-id p-early-media p-media-authorization p-preferred-identity "
    "p-preferred-service p-profile-key p-refused-uri-list p-served-user p-user-database p-visited-network-id path permission-missing "
    "policy-contact policy-id priority priority-share priority-verstat priv-answer-mode privacy proxy-authenticate proxy-require rack reason "
    "reason-phrase recv-info refer-events-at refer-sub refer-to referred-by reject-contact relayed-charge remote-party-id replaces reply-to "
    "request-disposition require resource-priority resource-share response-key response-source restoration-info retry-after rseq "
    "security-client security-server security-verify service-interact-info service-route session-expires session-id sip-etag sip-if-match "
    "subject subscription-state supported suppress-if-match target-dialog timestamp trigger-consent unsupported user-to-user "
    "warning www-authenticate x-asterisk-hangupcause x-real-ip"
).split()

# The information elements of IAX2 by their numbers, from 1 (RFC 5456 8.6; from 46 as Asterisk's iax2.h has them). To whoever reads a message
# they are lines with a name, so that fields, signatures and keys know them as they know header fields.
_ELEMENTS = (
    "called-number calling-number calling-ani calling-name called-context username password capability format language version adsicpe dnid "
    "auth-methods challenge md5-result rsa-result apparent-address refresh dialplan-status call-number cause unknown message-count "
    "auto-answer music-on-hold transfer-id rdnis provisioning aes-provisioning date-time device-type service-ident firmware-version "
    "firmware-block firmware-data provisioning-version calling-presentation calling-ton calling-tns sampling-rate cause-code encryption "
    "encryption-key codec-preferences jitter loss packets delay dropped out-of-order variable osp-token call-token capability2 format2 "
    "calling-ani2"
).split()

ELEMENTS = {name: number for number, name in enumerate(_ELEMENTS, 1)}
HEADERS = {name: number for number, name in enumerate(_HEADERS)}
_LINES = HEADERS | {f"ie.{name}": FIRST_ELEMENT + number for name, number in ELEMENTS.items()}

# RFC 3261 7.3.3 and the IANA registry; "n" (Identity-Info) is deprecated but still read by stacks.
COMPACT_FORMS = {
    "a": "accept-contact", "b": "referred-by", "c": "content-type", "d": "request-disposition", "e": "content-encoding", "f": "from",
    "i": "call-id", "j": "reject-contact", "k": "supported", "l": "content-length", "m": "contact", "n": "identity-info", "o": "event",
    "r": "refer-to", "s": "subject", "t": "to", "u": "allow-events", "v": "via", "x": "session-expires", "y": "identity",
}

FIELD_HEADERS = 64
_FIELDS = (
    "- start-line method uri uri.user uri.host version code phrase "
    "from.display from.uri from.user from.host from.port from.tag "
    "to.display to.uri to.user to.host to.port to.tag "
    "contact.display contact.uri contact.user contact.host contact.port contact.tag "
    "via.transport via.host via.port via.branch via.rport via.received via.maddr "
    "cseq.number cseq.method "
    "auth.scheme auth.username auth.realm auth.nonce auth.uri auth.response auth.qop auth.nc auth.cnonce "
    "body sdp.origin sdp.session sdp.media head datagram"
).split()
FIELDS = {name: number for number, name in enumerate(_FIELDS) if number}
FIELDS.update({name: FIELD_HEADERS + number for name, number in _LINES.items()})

# Bit numbers in the order of `Anomaly` in sip.pxd.
_ANOMALIES = (
    "leading-bytes bare-lf bare-cr fold fold-before-colon space-before-colon control-before-colon nul-in-head control-in-head "
    "start-line-spacing version method-case unknown-method broken-header-line no-head-end duplicate-from duplicate-to duplicate-call-id "
    "duplicate-cseq content-length-unreadable content-length-differs content-length-short content-length-long cseq-unreadable cseq-method "
    "missing-via missing-from missing-to missing-call-id missing-cseq uri-escape uri-space via-unreadable many-headers many-vias "
    "following-message nul-in-body long-start-line header-unterminated name-addr-unbalanced start-line-missing-parts "
    "ambiguous-line-ends content-length-empty "
    "element-nul element-unknown element-duplicate element-width frame-late-start frame-compressed-subclass frame-unknown-subclass frame-no-source"
).split()
ANOMALIES = {name: bit for bit, name in enumerate(_ANOMALIES)}

# Numbers in the order of `Malformation` in sip.pxd.
_MALFORMATIONS = (
    "none start-line status-code no-header too-many-headers frame-short element-overrun element-boundary too-many-elements trunk-boundary"
).split()
MALFORMATIONS = {name: number for number, name in enumerate(_MALFORMATIONS)}


cdef struct Name:
    uint8_t size
    uint64_t words[NAME_WORDS]          # as folded64 reads them

cdef enum:
    SLOTS = 512
    SLOT_BITS = 9

cdef Name _names[HEADERS_MAX]
cdef int16_t _next[HEADERS_MAX]
cdef int16_t _first[SLOTS]                  # by `_slot`
cdef int16_t _compact[256]
cdef Name _methods[M_OTHER]


cdef void _fill(Name *slot, bytes text):
    cdef Cursor c = cursor_over(<const char *> text, len(text))
    cdef uint32_t i
    slot.size = <uint8_t> len(text)
    for i in range(0, c.size, 8):
        slot.words[i // 8] = folded64(c, i, c.size - i)


cdef bint _is(Name *name, Cursor c, uint32_t start) noexcept nogil:
    """`name.size` bytes from `start` are that name, in any case. Only for tokens: bit 5 joins CR with "-", which no token holds."""
    cdef uint32_t i = 0, word = 0
    while i < name.size:
        if folded64(c, start + i, name.size - i) != name.words[word]:
            return False
        i += 8
        word += 1
    return True


# What a token may hold (RFC 3261 25.1).
cdef uint8_t token_bytes[256]


cdef inline int _slot(uint64_t word, uint32_t size) noexcept nogil:
    """Where a name of `size` bytes with this first word stands in the table. The list is fixed: a sender cannot make it collide."""
    return <int> ((word ^ size) * <uint64_t> 0x9E3779B97F4A7C15 >> (64 - SLOT_BITS))


def _build():
    cdef int number, slot, byte
    expected = ["via", "from", "to", "call-id", "cseq", "contact", "max-forwards", "user-agent", "content-length", "content-type",
                "authorization", "proxy-authorization", "expires", "server", "route", "record-route"]
    if _HEADERS[:H_KNOWN] != expected or len(_HEADERS) > FIRST_ELEMENT or len(set(_HEADERS)) != len(_HEADERS):
        raise AssertionError("names.pyx: the header list and its enum disagree")
    if FIRST_ELEMENT + len(_ELEMENTS) >= HEADERS_MAX or len(_ELEMENTS) != ELEMENTS_KNOWN:
        raise AssertionError("names.pyx: the list of elements and its bounds disagree")
    if len(_FIELDS) != F_COUNT or len(METHODS) != M_OTHER:
        raise AssertionError("names.pyx: the field list and its enum disagree")
    memset(_first, 0xFF, sizeof(_first))
    memset(_next, 0xFF, sizeof(_next))
    memset(_compact, 0xFF, sizeof(_compact))
    for byte in b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.!%*_+`'~":
        token_bytes[byte] = 1
    for number in reversed(range(len(_HEADERS))):
        text = _HEADERS[number].encode()
        _fill(&_names[number], text)
        slot = _slot(_names[number].words[0], _names[number].size)
        _next[number] = _first[slot]
        _first[slot] = <int16_t> number
    for compact, name in COMPACT_FORMS.items():
        _compact[ord(compact)] = _compact[ord(compact.upper())] = HEADERS[name]
    for number in range(M_OTHER):
        _fill(&_methods[number], METHODS[number])


_build()


cdef uint32_t end_of_token(Cursor c, uint32_t i) noexcept nogil:
    """Index of the first byte from `i` that belongs to no token, or the size."""
    cdef int byte
    while True:
        i = end_of_word(c, i)
        byte = at(c, i)
        if byte < 0 or not token_bytes[byte]:
            return i
        i += 1


cdef int find_header(Cursor c, Span name) noexcept nogil:
    """The number of the header field whose name stands at `name`, or -1."""
    cdef uint32_t size = name.end - name.start
    cdef uint64_t word
    cdef int number
    if size == 1:
        number = at(c, name.start)
        return _compact[number] if number >= 0 else -1
    if size == 0 or size > NAME_MAX:
        return -1
    word = folded64(c, name.start, size)
    number = _first[_slot(word, size)]
    while number >= 0:
        if _names[number].words[0] == word and _names[number].size == size and (size <= 8 or _is(&_names[number], c, name.start)):
            return number
        number = _next[number]
    return -1


cdef int find_method(Cursor c, Span token) noexcept nogil:
    """The number of the method at `token`, in any case; M_OTHER for every other token."""
    cdef int number
    for number in range(M_OTHER):
        if token.end - token.start == _methods[number].size and _is(&_methods[number], c, token.start):
            return number
    return M_OTHER


def header_number(bytes name not None):
    """The number of a header field name as sent (any case, compact or long), or -1."""
    cdef Span span
    span.start, span.end = 0, <uint32_t> len(name)
    cdef Cursor c = cursor_over(<const char *> name, len(name))
    return find_header(c, span) if end_of_token(c, 0) == span.end else -1
