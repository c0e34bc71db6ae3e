"""What stands around the scan, with broken input: shapes, frames of IAX2, the engine, a pump, tables and the governor, capture files. `make fuzz` runs it under the
sanitizers.

    python tests/fuzz/fuzz_rooms.py --seconds 60 [--seed N] [--only engine]

Each target takes its turn for an equal share of the time. A seed gives the same input again, whatever the time: after a finding
``--only TARGET --seed N`` meets it once more.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Protocol

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.fuzz.rooms.captures import Captures
from tests.fuzz.rooms.conversations import Conversations
from tests.fuzz.rooms.frames import Frames
from tests.fuzz.rooms.pumps import Pumps
from tests.fuzz.rooms.shapes import Shapes
from tests.fuzz.rooms.states import Governors, States


class Target(Protocol):
    """Something to break."""

    done: int
    """Inputs tried."""

    def round(self) -> None:
        """A few more. Raises AssertionError for what must not be."""

    def close(self) -> None:
        """Give back what it holds."""


TARGETS: dict[str, Callable[[int], Target]] = {
    "shapes": Shapes,
    "frames": Frames,
    "engine": Conversations,
    "pump": Pumps,
    "tables": States,
    "governor": Governors,
    "captures": Captures,
}


def run(target: Target, seconds: float) -> None:
    """Rounds until the time is over, one at least."""
    until = time.monotonic() + seconds
    while True:
        target.round()
        if time.monotonic() >= until:
            return


def main() -> int:
    """Status 0: nothing found."""
    parser = argparse.ArgumentParser(description="Mutates what rooms above the fast path take in.")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--only", choices=TARGETS)
    options = parser.parse_args()
    names = [options.only] if options.only else list(TARGETS)
    for name in names:
        # Said before: a finding of the sanitizers ends the process.
        print(f"fuzz: {name}, again with --only {name} --seed {options.seed}", flush=True)
        target = TARGETS[name](options.seed)
        try:
            with closing(target):
                run(target, options.seconds / len(names))
        except Exception:  # noqa: BLE001 - whatever it is
            traceback.print_exc()
            return 1
        print(f"fuzz: {name}: {target.done} inputs, nothing found", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
