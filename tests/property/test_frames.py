"""Any bytes on a port of IAX2 are a frame, a malformed one, or none: and the same to a second reader."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from sipsensor.fastpath.names import ELEMENTS, FIELDS
from sipsensor.protocols.iax2 import IaxFrame, parse
from tests.support import iax2
from tests.support.frames import found, read
from tests.support.iax2 import element, full, trunk
from tests.support.scanning import examine

elements = st.lists(
    st.builds(
        element,
        st.one_of(st.sampled_from(sorted(ELEMENTS)), st.integers(0, 255)),
        st.one_of(st.binary(max_size=12), st.sampled_from([b"\0\2", bytes(4), bytes(9), b"office", b"a\0b"])),
        length=st.one_of(st.none(), st.none(), st.none(), st.integers(0, 255)),
    ),
    max_size=8,
)
fulls = st.builds(
    full,
    st.integers(0, 255),
    elements,
    source=st.integers(0, 0x7FFF),
    destination=st.one_of(st.just(0), st.integers(0, 0x7FFF)),
    timestamp=st.one_of(st.integers(0, 1000), st.integers(0, 2**32 - 1)),
    oseqno=st.one_of(st.just(0), st.integers(0, 255)),
    iseqno=st.integers(0, 255),
    kind=st.one_of(st.just(6), st.integers(0, 255)),
    repeated=st.booleans(),
)
trunks = st.builds(
    trunk,
    st.lists(st.tuples(st.integers(0, 0x7FFF), st.binary(max_size=40)), max_size=5),
    st.integers(0, 2**32 - 1),
    times=st.booleans(),
)
cut = st.tuples(st.one_of(fulls, trunks), st.integers(0, 80)).map(lambda pair: pair[0][: pair[1]])
datagrams = st.one_of(st.binary(max_size=64), fulls, trunks, cut)


@given(datagrams)
@example(b"\x80" + bytes(11))
@example(bytes(8))
def test_both_readers_agree(payload: bytes) -> None:
    examined = examine(payload, sport=40_000, dport=iax2.PORT)
    assert found(examined) == read(payload)


@given(datagrams)
def test_a_view_never_raises(payload: bytes) -> None:
    examined = examine(payload, sport=iax2.PORT, dport=40_000)
    view = parse(examined)
    if isinstance(view, IaxFrame):
        assert view.account == (
            (view.get("username") or b"").partition(b"\0")[0] if view.get("username") is not None else None
        )
        assert isinstance((view.called, view.token, view.type_name, view.subclass_name, view.has_credentials), tuple)
        assert all(-1 <= view.number(name) < 2**63 for name in ELEMENTS)
    for field in FIELDS.values():
        examined.values(field)
        examined.named(field)


@given(st.integers(0, 60_000), st.integers(0, 255), st.integers(0, 255))
def test_the_largest_datagrams_are_read_once(size: int, number: int, byte: int) -> None:
    payload = full(1, [bytes((number, byte % 4)) + bytes(byte % 4)]) + bytes((number, 0)) * (size // 2)
    examined = examine(payload[:60_000], sport=40_000, dport=iax2.PORT)
    assert examined.header_count <= 256
    assert found(examined) == read(payload[:60_000])
