from libc.stdint cimport uint32_t

from sipsensor.fastpath.cursor cimport Cursor, Span

cdef enum:
    M_INVITE, M_ACK, M_BYE, M_CANCEL, M_REGISTER, M_OPTIONS, M_SUBSCRIBE, M_NOTIFY, M_PUBLISH, M_MESSAGE, M_INFO, M_PRACK, M_UPDATE, M_REFER,
    M_OTHER

# The header fields whose meaning the scan itself knows; the order is that of `_HEADERS` in names.pyx, which checks it.
cdef enum:
    H_VIA, H_FROM, H_TO, H_CALL_ID, H_CSEQ, H_CONTACT, H_MAX_FORWARDS, H_USER_AGENT, H_CONTENT_LENGTH, H_CONTENT_TYPE, H_AUTHORIZATION,
    H_PROXY_AUTHORIZATION, H_EXPIRES, H_SERVER, H_ROUTE, H_RECORD_ROUTE, H_KNOWN

cdef enum:
    HEADERS_MAX = 208           # how many names lines may have: header fields, and elements of IAX2 behind them
    FIRST_ELEMENT = 144         # the number of an element's name is this and its own
    ELEMENTS_KNOWN = 57
    NAME_MAX = 40               # the longest of them
    NAME_WORDS = 5              # NAME_MAX in 64-bit words

cdef enum:
    F_NONE, F_START_LINE, F_METHOD, F_URI, F_URI_USER, F_URI_HOST, F_VERSION, F_CODE, F_PHRASE,
    F_FROM_DISPLAY, F_FROM_URI, F_FROM_USER, F_FROM_HOST, F_FROM_PORT, F_FROM_TAG,
    F_TO_DISPLAY, F_TO_URI, F_TO_USER, F_TO_HOST, F_TO_PORT, F_TO_TAG,
    F_CONTACT_DISPLAY, F_CONTACT_URI, F_CONTACT_USER, F_CONTACT_HOST, F_CONTACT_PORT, F_CONTACT_TAG,
    F_VIA_TRANSPORT, F_VIA_HOST, F_VIA_PORT, F_VIA_BRANCH, F_VIA_RPORT, F_VIA_RECEIVED, F_VIA_MADDR,
    F_CSEQ_NUMBER, F_CSEQ_METHOD,
    F_AUTH_SCHEME, F_AUTH_USERNAME, F_AUTH_REALM, F_AUTH_NONCE, F_AUTH_URI, F_AUTH_RESPONSE, F_AUTH_QOP, F_AUTH_NC, F_AUTH_CNONCE,
    F_BODY, F_SDP_ORIGIN, F_SDP_SESSION, F_SDP_MEDIA, F_HEAD, F_DATAGRAM,
    F_COUNT,
    FIRST_HEADER_FIELD = 64

cdef int find_header(Cursor c, Span name) noexcept nogil
cdef int find_method(Cursor c, Span token) noexcept nogil
cdef uint32_t end_of_token(Cursor c, uint32_t i) noexcept nogil
