# cython: language_level=3, boundscheck=False, wraparound=False
"""Link, network and transport headers to addresses, ports and a payload.

Rules. Lengths come from the IP header, never from the capture; what the host's own stack would discard (contradicting lengths, wrong version)
is DEC_BROKEN and looked into no further. Checksums are not verified: offloading makes them wrong on captures of healthy hosts, and a packet
with a bad one reaches nobody. Limit: 8 VLAN tags. Tunnels are not opened.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memset

from sipsensor.fastpath.cursor cimport Cursor, at, be16, be32, copy_out, host32

cdef enum:
    LINK_NULL = 0
    LINK_ETHERNET = 1
    LINK_RAW_OPENBSD = 14
    LINK_RAW_LINUX = 12
    LINK_RAW = 101
    LINK_LOOP = 108
    LINK_SLL = 113
    LINK_IPV4 = 228
    LINK_IPV6 = 229
    LINK_SLL2 = 276

    ETHER_IPV4 = 0x0800
    ETHER_IPV6 = 0x86DD

    TAGS_MAX = 8

    PROTO_TCP = 6
    PROTO_UDP = 17


cdef void _behind_ethertype(Cursor packet, uint32_t offset, int64_t ethertype, Decoded *out) noexcept nogil:
    """VLAN tags (802.1Q, 802.1ad, 0x9100), then IP."""
    cdef int tags = 0
    while (ethertype == 0x8100 or ethertype == 0x88A8 or ethertype == 0x9100) and tags < TAGS_MAX:
        ethertype = be16(packet, offset + 2)
        offset += 4
        tags += 1
    if ethertype == ETHER_IPV4:
        _ipv4(packet, offset, out)
    elif ethertype == ETHER_IPV6:
        _ipv6(packet, offset, out)
    else:
        out.status = DEC_NOT_IP


cdef void _by_version(Cursor packet, uint32_t offset, Decoded *out) noexcept nogil:
    cdef int first = at(packet, offset)
    if first >= 0 and first >> 4 == 4:
        _ipv4(packet, offset, out)
    elif first >= 0 and first >> 4 == 6:
        _ipv6(packet, offset, out)
    else:
        out.status = DEC_NOT_IP


cdef void _bsd_loopback(Cursor packet, Decoded *out) noexcept nogil:
    """DLT_NULL: the address family in the byte order of the host that captured; 2 is IPv4 everywhere, IPv6 is 10, 24, 28 or 30."""
    cdef int64_t little = host32(packet, 0)
    cdef int64_t family = little
    if little > 0xFFFF:
        family = be32(packet, 0)
    if family == 2 or family == 10 or family == 24 or family == 28 or family == 30:
        _by_version(packet, 4, out)
    else:
        out.status = DEC_NOT_IP


cdef void _our_recording(Cursor packet, Decoded *out) noexcept nogil:
    """Our recordings are SLL2 with the link address "SIPSEN", verdict, 0; the packet type then says how the packet arrived."""
    cdef int kind = at(packet, 10)
    if at(packet, 11) != 8 or be32(packet, 12) != 0x53495053 or be16(packet, 16) != 0x454E:
        return
    out.arrival = 1 if kind == 0 else 2 if kind == 4 else 3
    out.recorded = 2 if at(packet, 18) == 1 else 1


cdef void decode(Cursor packet, int link, Decoded *out) noexcept nogil:
    """Read all headers of one packet. Every field of `out` is set."""
    memset(out, 0, sizeof(Decoded))
    if link == LINK_ETHERNET:
        _behind_ethertype(packet, 14, be16(packet, 12), out)
    elif link == LINK_RAW_LINUX or link == LINK_RAW or link == LINK_RAW_OPENBSD or link == LINK_IPV4 or link == LINK_IPV6:
        _by_version(packet, 0, out)
    elif link == LINK_SLL:
        _behind_ethertype(packet, 16, be16(packet, 14), out)
    elif link == LINK_SLL2:
        _our_recording(packet, out)
        _behind_ethertype(packet, 20, be16(packet, 0), out)
    elif link == LINK_NULL or link == LINK_LOOP:
        _bsd_loopback(packet, out)
    else:
        out.status = DEC_UNKNOWN_LINK


cdef void _ipv4(Cursor packet, uint32_t offset, Decoded *out) noexcept nogil:
    cdef int64_t total = be16(packet, offset + 2)
    cdef int64_t flags = be16(packet, offset + 6)
    cdef int first = at(packet, offset)
    cdef uint32_t header = <uint32_t> (first & 15) * 4
    cdef uint32_t captured = packet.size - offset if packet.size > offset else 0
    if first >> 4 != 4 or header < 20 or captured < header:
        out.status = DEC_BROKEN
        return
    if total == 0:              # segmentation offload leaves the length to the card
        total = captured
    if total < header:
        out.status = DEC_BROKEN
        return
    out.version = 4
    out.transport = <uint8_t> at(packet, offset + 9)
    out.src[10] = out.src[11] = out.dst[10] = out.dst[11] = 0xFF
    copy_out(packet, offset + 12, &out.src[12], 4)
    copy_out(packet, offset + 16, &out.dst[12], 4)
    out.truncated = captured < total
    out.body = offset + header
    out.body_size = (captured if out.truncated else <uint32_t> total) - header
    out.fragment_offset = <uint32_t> (flags & 0x1FFF) * 8
    out.fragment_more = (flags & 0x2000) != 0
    if out.fragment_offset or out.fragment_more:
        out.fragment_id = <uint32_t> be16(packet, offset + 4)
        out.status = DEC_FRAGMENT
        return
    decode_body(packet, out)


cdef void _ipv6(Cursor packet, uint32_t offset, Decoded *out) noexcept nogil:
    cdef int64_t size = be16(packet, offset + 4)
    cdef uint32_t end
    if packet.size < offset + 40 or at(packet, offset) >> 4 != 6:
        out.status = DEC_BROKEN
        return
    out.version = 6
    copy_out(packet, offset + 8, out.src, 16)
    copy_out(packet, offset + 24, out.dst, 16)
    out.transport = <uint8_t> at(packet, offset + 6)
    offset += 40
    end = offset + <uint32_t> size if size else packet.size
    if end > packet.size:
        out.truncated = 1
        end = packet.size
    out.body, out.body_size = offset, end - offset
    decode_body(packet, out)


cdef void decode_body(Cursor packet, Decoded *out) noexcept nogil:
    """What stands behind the IP header, at `out.body`: of IPv6 the extension headers first (RFC 8200 4), then UDP or TCP.

    However many: hosts read any number of them, and each takes eight bytes, so the packet's size bounds the walk.
    """
    cdef uint32_t offset = out.body, end = out.body + out.body_size, header
    cdef int kind = out.transport
    while out.version == 6:
        if kind == 44:
            if end - offset < 8:
                break
            kind = at(packet, offset)
            header = <uint32_t> be16(packet, offset + 2)
            out.fragment_offset = header & 0xFFF8
            out.fragment_more = header & 1
            out.fragment_id = <uint32_t> be32(packet, offset + 4)
            offset += 8
            if out.fragment_offset or out.fragment_more:
                out.transport = <uint8_t> kind
                out.body, out.body_size = offset, end - offset
                out.status = DEC_FRAGMENT
                return
            continue
        if kind == 0 or kind == 43 or kind == 60:
            header = (<uint32_t> at(packet, offset + 1) + 1) * 8 if end - offset >= 8 else 0
        elif kind == 51:
            header = (<uint32_t> at(packet, offset + 1) + 2) * 4 if end - offset >= 8 else 0
        else:
            break
        if header == 0 or end - offset < header:
            break
        kind = at(packet, offset)
        offset += header
    if out.version == 6 and (kind == 0 or kind == 43 or kind == 44 or kind == 51 or kind == 60):
        out.status = DEC_BROKEN
        return
    out.transport = <uint8_t> kind
    out.body, out.body_size = offset, end - offset
    _transport(packet, out)


cdef void _transport(Cursor packet, Decoded *out) noexcept nogil:
    """UDP or TCP at `out.body`: ports and payload."""
    cdef int64_t length
    cdef uint32_t header
    out.status = DEC_OK
    if out.transport == PROTO_UDP:
        header = 8
        length = be16(packet, out.body + 4)
        if out.body_size < 8 or (length and length < 8) or (length > out.body_size and not out.truncated):
            out.status = DEC_BROKEN
            return
        if length == 0 or length > out.body_size:     # 0: a jumbogram or offloaded; longer: the capture cut it
            length = out.body_size
    elif out.transport == PROTO_TCP:
        length = out.body_size
        header = <uint32_t> (at(packet, out.body + 12) >> 4) * 4 if out.body_size >= 20 else 0
        if header < 20 or header > out.body_size:
            out.status = DEC_BROKEN
            return
        out.sequence = <uint32_t> be32(packet, out.body + 4)
        out.acknowledged = <uint32_t> be32(packet, out.body + 8)
        out.tcp_flags = <uint8_t> at(packet, out.body + 13)
    else:
        out.status = DEC_OTHER
        return
    out.sport = <uint16_t> be16(packet, out.body)
    out.dport = <uint16_t> be16(packet, out.body + 2)
    out.payload = out.body + header
    out.payload_size = <uint32_t> length - header
