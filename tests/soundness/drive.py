"""One engine over a stream that a seed makes, told in digests: two runs that say the same decided the same and hold the same.

    python -m tests.soundness.drive --seed 1 --packets 20000 [--interpreted] [--world tight] [--tell FROM]
    python -m tests.soundness.drive --goldens [--interpreted]

After every so many packets a line: how many, a digest of all decisions since the last line, a digest of all that the engine holds. ``--tell``
prints decisions and state themselves, of the lines after that packet. The last line is JSON: which modules were interpreted, and what was met.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from random import Random
from typing import TYPE_CHECKING, Any

from tests.soundness.interpreted import forms, prefer_sources

if TYPE_CHECKING:
    from sipsensor.engine import Engine

EVERY = 2_000
STATES = 5
"""A state is looked at after so many lines: it takes as long as some thousand packets."""


def few(count: int, seconds: int = 600) -> dict[str, int]:
    """A limit, as configuration has it."""
    return {"count": count, "seconds": seconds}


WORLDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "tight": {
        "detectors": {
            "guessing": {"entries": 64, "source": few(12), "source_names": few(40), "network": few(30)},
            "enumeration": {"entries": 64, "sender": few(400), "strangers": few(4000)},
            "handshakes": {"entries": 64, "sender": few(200)},
            "flood": {"sources_max": 64},
        },
        "bans": {"first": 60, "network": 2, "entries": 64},
    },
    "bent": {},
    "relations": {
        "network": {"proxies": ["198.18.2.7"]},
        "trust": {"trunks": ["192.88.0.0/16"], "allowlist": ["198.18.3.7"], "emergency": ["112", "2000"]},
    },
}


def main() -> int:
    """Prints lines; status 0 unless something failed on the way."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--packets", type=int, default=20_000)
    parser.add_argument("--every", type=int, default=EVERY)
    parser.add_argument("--world", choices=WORLDS, default="plain")
    parser.add_argument("--interpreted", action="store_true")
    parser.add_argument("--goldens", action="store_true")
    parser.add_argument("--tell", type=int, default=-1, metavar="FROM")
    options = parser.parse_args()
    if options.interpreted:
        prefer_sources()
    last = {"differ": goldens()} if options.goldens else stream(options)
    say(json.dumps({**last, "interpreted": sorted(name for name, source in forms().items() if source)}))
    return 0


def say(text: str) -> None:
    """To whoever compares."""
    sys.stdout.write(f"{text}\n")


def goldens() -> list[str]:
    """The cases of pcaps/ that do not give what they gave."""
    from tests.support.cases import cases, read  # noqa: PLC0415 - after the choice of their form

    return [case.name for case in cases() if case.replay().lines != read(case.expected)]


def stream(options: argparse.Namespace) -> dict[str, Any]:
    """The engine over the stream."""
    from tests.soundness.history import digest  # noqa: PLC0415 - after the choice of its form
    from tests.soundness.worlds import counted, engine_of  # noqa: PLC0415

    engine = engine_of(WORLDS[options.world])
    engine.examiner.recalls = not options.interpreted
    decisions: list[str] = []
    packets = 0
    for now, line in judged(engine, options.seed, bent=options.world == "bent"):
        packets += 1
        decisions.append(line)
        if packets % options.every and packets != options.packets:
            continue
        state = looked(engine, now) if packets // options.every % STATES == 0 or packets == options.packets else []
        if 0 <= options.tell < packets <= options.tell + options.every * STATES:
            say("\n".join([*(f"{packets - len(decisions) + at} {each}" for at, each in enumerate(decisions)), *state]))
        say(f"{packets} {digest(decisions)} {digest(state)}")
        decisions = []
        if packets == options.packets:
            break
    return {**counted(engine), "recalled": engine.examiner.recalled}


def judged(engine: Engine, seed: int, *, bent: bool) -> Iterator[tuple[int, str]]:
    """Time and decision of each packet."""
    from sipsensor.model import NANOSECONDS  # noqa: PLC0415 - after the choice of its form
    from tests.soundness.attacks import mixed  # noqa: PLC0415
    from tests.soundness.bent import Bent  # noqa: PLC0415
    from tests.soundness.history import decided  # noqa: PLC0415

    due = 0
    bend = Bent(Random(seed)).packet if bent else None
    for sent, whole in mixed(seed).packets():
        packet = bend(whole) if bend else whole
        decision = engine.process(packet)
        sent.dropped = bool(decision.effect)
        if not due - NANOSECONDS <= packet.ts < due:
            engine.tick(packet.ts)
            due = packet.ts + NANOSECONDS
        yield packet.ts, decided(decision)


def looked(engine: Engine, now: int) -> list[str]:
    """All that it holds."""
    from tests.soundness.history import held  # noqa: PLC0415 - after the choice of its form

    return held(engine, now)


if __name__ == "__main__":
    sys.exit(main())
