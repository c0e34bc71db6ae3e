"""What is told of a packet, and to whom: with an engine, evidence, and nobody else."""

from __future__ import annotations

import pytest

from sipsensor.engine import Engine
from sipsensor.export.evidence import Evidence
from sipsensor.fastpath.examined import Examined
from sipsensor.live.judging import Judging
from sipsensor.model import Decision, Mode
from tests.support.engines import Watcher, always, engine, rule
from tests.support.packets import LINK_RAW, STRANGER, datagram, message

ACCEPT, DROP = 0, 1


class Outlets:
    def __init__(self, recording: object = None) -> None:
        self.recording = recording
        self.evidence = Evidence(16, 4, 1 << 20, 3600)
        self.told: list[tuple[Examined, Decision, Mode]] = []

    def tell(self, examined: Examined, decision: Decision, mode: Mode) -> None:
        self.told.append((examined, decision, mode))
        self.evidence.see(examined, decision)


def judged(outlets: Outlets, one: Engine, src: str = STRANGER) -> int:
    examined = one.examiner.examine_raw(datagram(message(), src), LINK_RAW, 0)
    return Judging(one, outlets).judge(examined)  # type: ignore[arg-type]


def test_of_a_packet_that_nobody_says_anything_of_nothing_is_told() -> None:
    outlets = Outlets()
    assert judged(outlets, engine(Watcher())) == ACCEPT
    assert outlets.told == []


@pytest.mark.parametrize(("mode", "effect"), [(Mode.ENFORCE, DROP), (Mode.OBSERVE, ACCEPT)])
def test_a_drop_is_told_and_its_effect_is_that_of_the_mode(mode: Mode, effect: int) -> None:
    outlets = Outlets()
    assert judged(outlets, engine(Watcher(always(rule())), mode=mode)) == effect
    ((_, decision, told),) = outlets.told
    assert decision.verdict == DROP
    assert told is mode


def test_everything_is_told_to_a_recording() -> None:
    outlets = Outlets(recording=object())
    assert judged(outlets, engine(Watcher())) == ACCEPT
    assert len(outlets.told) == 1


def test_whose_packets_are_kept_is_told_of_and_nobody_else() -> None:
    outlets = Outlets()
    one = engine(Watcher(always(rule())))
    judged(outlets, one)
    one = engine(Watcher())
    judged(outlets, one)
    assert len(outlets.told) == 2
    judged(outlets, one, "198.51.100.77")
    assert len(outlets.told) == 2
