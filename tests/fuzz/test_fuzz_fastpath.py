"""A few seconds of what `make fuzz` does for long and under the sanitizers, and every capture and torture message that is here."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz import corpus
from tests.fuzz.fuzz_fastpath import Fuzzer, Witness, run
from tests.fuzz.invariants import Checker
from tests.support.packets import LINK_RAW, datagram, message


@pytest.fixture
def witness() -> Witness:
    return Witness()


def test_the_built_in_corpus_and_its_mutations(witness: Witness) -> None:
    fuzzer = Fuzzer(corpus.frames(), 1, witness)
    run(fuzzer, 3)
    assert fuzzer.checker.packets > 500
    assert fuzzer.checker.messages > 100
    witness.path.unlink()


def test_a_seed_gives_the_same_packets_again(witness: Witness) -> None:
    def packets(seed: int) -> list[corpus.Frame]:
        fuzzer, found = Fuzzer(corpus.frames(), seed, witness), []
        for _ in range(50):
            fuzzer.round()
            found.append(Witness.read(witness.path))
        return found

    assert packets(7) == packets(7)
    assert packets(7) != packets(8)
    witness.path.unlink()


def test_the_witness_is_the_packet_under_test(witness: Witness) -> None:
    frame = (LINK_RAW, datagram(message()))
    witness.keep((-1, b"longer than the next" * 100))
    witness.keep(frame)
    assert Witness.read(witness.path) == frame
    witness.path.unlink()


def test_every_capture_and_torture_message(shared_captures: Path) -> None:
    frames = corpus.load([str(shared_captures), str(corpus.REPOSITORY / "pcaps")])
    torture = list(corpus.of_messages(shared_captures))
    assert len(torture) == 34 + 299
    checker = Checker()
    for frame in frames:
        checker.frame(frame)
    assert checker.messages > 2000
