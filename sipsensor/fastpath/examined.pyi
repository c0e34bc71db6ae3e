"""What is known of one message of one packet."""

from sipsensor.fastpath.ranges import Networks

class Examined:
    """One message's worth of facts about one packet. Offsets count from the start of the payload. Immutable."""

    ts: int
    number: int
    arrival: int
    """``model.Arrival`` as an int."""
    decoded: int
    content: int
    truncated: bool
    """The capture holds less than the IP header says."""
    version: int
    """4 or 6; 0 when not IP."""
    transport: int
    """17 UDP, 6 TCP, other IP protocol numbers as they are."""
    tcp_flags: int
    """As in the header (RFC 9293 3.1): FIN is 1, SYN 2, RST 4, ACK 16; 0 when not TCP."""
    sequence: int
    """TCP sequence number of the first byte of the payload, or of the SYN."""
    acknowledged: int
    """TCP acknowledgment number."""
    segment_length: int
    """Bytes of payload of the whole packet, however many messages they hold."""
    src: bytes
    """16 bytes; IPv4 as ::ffff:a.b.c.d."""
    dst: bytes
    sport: int
    dport: int
    src_text: str
    dst_text: str
    payload: bytes
    payload_length: int
    data: bytes
    """The packet as it came, link layer included."""
    link: int
    wire_length: int
    fragment_key: bytes
    """What the fragments of one datagram share (addresses, protocol, identification); empty when not a fragment."""
    fragment_offset: int
    """In bytes."""
    fragment_more: bool
    fragment: bytes
    """This fragment's piece of the IP payload."""
    method: int
    """Index into ``names.METHODS``, ``METHOD_OTHER``, or -1 for a response. A CSeq method for responses is the field ``cseq.method``."""
    code: int
    """Status code of a response, else 0."""
    anomalies: int
    """Bit set of ``names.ANOMALIES``."""
    malformation: int
    """0, or a value of ``names.MALFORMATIONS``."""
    malformed_at: int
    """Offset of what made it malformed."""
    hits: tuple[int, ...]
    """Indexes of the matcher's rules that match for certain."""
    candidates: tuple[int, ...]
    """Indexes of rules with a regex whose literal was found: the caller must confirm them."""
    source_key: int
    """Keyed hash of the source address (IPv6: its /64)."""
    source_port_key: int
    """Keyed hash of source address (whole) and port."""
    transaction_key: int
    """Keyed hash of source address, top Via branch and sent-by, CSeq number and method; Call-ID and From tag join where the
    branch has no RFC 3261 cookie
    (RFC 3261 17.2.3). For a response: of the destination address, so that it equals its request's. 0 when there is nothing to key."""
    account_key: int
    """Keyed hash of the user and host of the To URI (the AOR of a REGISTER), unescaped, host lower-cased. 0 without one."""
    header_count: int
    body_start: int
    """Where the head ended."""
    cseq_number: int
    """-1 when absent or unreadable."""
    content_length: int
    """-1 when absent or unreadable."""

    recorded_verdict: int
    """In our own recordings the verdict written down (0 accept, 1 drop); -1 elsewhere."""
    is_following: bool
    """It stands behind another message's Content-Length, where RFC 3261 18.3 has receivers of datagrams read nothing."""
    has_following: bool
    """Another message stands behind this one's Content-Length."""

    def address_key(self, outgoing: bool) -> int:
        """Keyed hash of the whole address of the remote end: the destination of an ``outgoing`` packet, else the source."""
    def network_key(self, outgoing: bool) -> int:
        """The same of what counts as one source: an IPv4 address, the /64 of an IPv6 one."""
    def prefix_key(self, outgoing: bool, bytes4: int, bytes6: int) -> int:
        """The same of the first bytes of the address: so many of an IPv4 one, so many of an IPv6 one."""
    def remote(self, outgoing: bool) -> tuple[bytes, int]:
        """Address (16 bytes) and port of the remote end."""
    def remote_half(self, outgoing: bool, start: int) -> int:
        """Eight bytes of that address, from the first (0) or the middle (8), as a number in network order."""
    def remote_port(self, outgoing: bool) -> int:
        """That port."""
    def key(self, text: bytes) -> int:
        """Keyed hash of any text, as the other keys are made."""
    def port_key(self, outgoing: bool) -> int:
        """The same of the whole address and its port."""
    def connection_key(self, outgoing: bool) -> int:
        """The same of both ends and their ports: equal for both directions of a connection."""
    def keys(self, field: int) -> list[int]:
        """Keyed hashes of all values of a field that signatures would compare, normal and in lower case."""
    def named(self, field: int) -> int:
        """One key of all of these together, in their order; 0 where there is none."""
    def sole(self, field: int) -> int:
        """Key of the field's one value; 0 where there is none, or there may be several: ``keys`` tells."""
    def text_key(self, field: int) -> int:
        """Keyed hash of the bytes of a field's first occurrence as sent (no header field); of no bytes, where it is absent."""
    def mentions(self, field: int, word: bytes) -> bool:
        """Whether the bytes of the field's first occurrence hold that word (in lower case), however its letters are written."""
    def cseq_method(self) -> int:
        """The number of the method in CSeq, of ``names.METHODS``; METHOD_OTHER for any other, or none."""
    def expires(self) -> int:
        """Seconds that a registration is asked for, or granted: the expires parameter of the first Contact, else the Expires header (RFC
        3261 10.2.1.1); 0 for the Contact that removes all, -1 where nothing says it.
        """
    def plain_username(self) -> int:
        """Key of the username of the one set of credentials, where no stack reads another one; 0 where one may, or there are several."""
    def credentials_key(self) -> int:
        """One key of all credentials as they were sent; 0 where there are none."""
    def has(self, field: int) -> bool:
        """Whether the field is there: ``raw`` would give it."""
    def nonce_keys(self) -> list[int]:
        """Keyed hashes of the nonces of all challenges in a response (RFC 3261 20.27 and 20.44)."""
    def src_in(self, networks: Networks) -> bool:
        """Whether the source address is in one of the networks."""
    def dst_in(self, networks: Networks) -> bool:
        """Whether the destination address is in one of the networks."""
    def raw(self, field: int) -> bytes | None:
        """The bytes of the field's first occurrence as sent, without surrounding white space; None when absent."""
    def norm(self, field: int) -> bytes | None:
        """The same, normal: folds and white space runs one space, quoted pairs and percent escapes (URI parts) resolved."""
    def occurrences(self, field: int) -> list[bytes]:
        """All values of a header field, raw."""
    def values(self, field: int, raw: bool = False) -> list[bytes]:
        """All that signatures compared: the field at each line of its header, in both readings of an ambiguous head.

        Normal unless ``raw``.
        """
    def headers(self) -> list[tuple[int, bytes, bytes]]:
        """(number or -1, name as sent, raw value) of every header line, in order."""
    def following(self) -> Examined | None:
        """The next message in the same datagram or segment, after this one's Content-Length; None when there is none."""
