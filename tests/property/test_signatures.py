"""The shipped signatures on anything that can be sent: they answer, and they answer alike however a message arrives."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sipsensor.fastpath import examine, names
from sipsensor.signatures import compile_signatures, load
from sipsensor.signatures.samples import messages_of
from sipsensor.signatures.trial import Trial

SIGNATURES = compile_signatures(load())
TRIAL = Trial(SIGNATURES)
SAMPLES = [sample.payload for one in SIGNATURES.all for sample in (*one.positive, *one.negative)]
FIELDS = sorted(names.FIELDS.values())


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A sample with a few bytes taken out, put in or exchanged."""
    payload = bytearray(draw(st.sampled_from(SAMPLES)))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(payload)))
        end = draw(st.integers(start, min(start + 8, len(payload))))
        payload[start:end] = draw(
            st.binary(max_size=6) | st.sampled_from([b"\r", b"\n", b"\r\n ", b"\0", b'"', b"<", b":", b"%4", b"\\"])
        )
    return bytes(payload)


@given(mutated() | st.binary(max_size=200))
def test_any_bytes_get_an_answer(payload: bytes) -> None:
    for examined in messages_of(examine.Examiner(SIGNATURES.matcher, seed=bytes(16)), payload):
        fired = SIGNATURES.fired(examined)
        assert [one.id for one in fired] == sorted({one.id for one in fired})
        for field in FIELDS:
            first = examined.norm(field)
            assert first is None or first in examined.values(field)
            raw = examined.raw(field)
            assert raw is None or raw in examined.values(field, raw=True)


@given(st.sampled_from(SAMPLES), st.binary(max_size=40))
def test_what_follows_a_whole_head_hides_nothing(payload: bytes, garbage: bytes) -> None:
    head = payload.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    alone = {one.id for one in TRIAL.fired(head)}
    assert alone <= {one.id for one in TRIAL.fired(head + garbage)}
