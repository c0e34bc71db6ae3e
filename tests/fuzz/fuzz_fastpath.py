"""Mutates a corpus and requires of every packet what `invariants` says. `make fuzz` runs it under the sanitizers.

    python tests/fuzz/fuzz_fastpath.py --seconds 60 [--seed N] [CAPTURE OR FOLDER ...]

First every packet of the corpus as it is, then mutations until the time is over. A finding ends it with status 1 and leaves the packet in a file
whose name it prints: `--again FILE` tries that one. A crash under the sanitizers leaves it, too.
"""

from __future__ import annotations

import argparse
import mmap
import random
import struct
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from sipsensor.app import build_engine
from sipsensor.config.load import defaults
from sipsensor.model import Mode
from tests.fuzz import corpus, mutations
from tests.fuzz.invariants import SEED, Checker, raising
from tests.support.packets import PBX, PBX6, udp


class Witness:
    """A file that always holds the packet under test, so that a crash leaves it behind: link type, length, bytes."""

    HEAD = struct.Struct(">qI")

    def __init__(self) -> None:
        with tempfile.NamedTemporaryFile(prefix="sipsensor-fuzz-", suffix=".packet", delete=False) as file:
            file.truncate(1 << 20)
            self.path = Path(file.name)
            self._map = mmap.mmap(file.fileno(), 1 << 20)

    def keep(self, frame: corpus.Frame) -> None:
        """No system call: writing a file for each packet takes longer than all the rest."""
        self._map[: self.HEAD.size] = self.HEAD.pack(frame[0], len(frame[1]))
        self._map[self.HEAD.size : self.HEAD.size + len(frame[1])] = frame[1]

    @classmethod
    def read(cls, path: Path) -> corpus.Frame:
        """The packet of an earlier run."""
        saved = path.read_bytes()
        link, size = cls.HEAD.unpack_from(saved)
        return link, saved[cls.HEAD.size : cls.HEAD.size + size]


class Fuzzer:
    """One run."""

    def __init__(self, frames: list[corpus.Frame], seed: int, witness: Witness) -> None:
        engine = build_engine(defaults(), mode=Mode.ENFORCE, protected=[PBX, PBX6], seed=SEED, report_error=raising)
        self.frames = frames
        self.random = random.Random(seed)
        self.witness = witness
        self.checker = Checker(engine)
        self.messages = corpus.payloads() + [
            examined.payload
            for link, data in frames
            if (examined := self.checker.examiner.examine_raw(data, link, 0)).payload_length
        ]

    def whole(self) -> None:
        """The corpus as it is."""
        for frame in self.frames:
            self.try_frame(frame)

    def round(self) -> None:
        """One mutation."""
        r = self.random
        what = r.random()
        if what < 0.75:
            self.try_frame(mutations.wrap(r, mutations.mutate_message(r, r.choice(self.messages), self.messages)))
        elif what < 0.9:
            self.try_frame(mutations.mutate_frame(r, r.choice(self.frames)))
        elif what < 0.97:
            data = b"".join(data for _, data in r.sample(self.frames, k=min(5, len(self.frames))))[:100_000]
            self.checker.walk(data, mutations.hostile_index(r, data, 8), r.choice(mutations.LINKS))
        else:
            body = udp(mutations.mutate_message(r, r.choice(self.messages), self.messages)[:3000])
            self.checker.fragments(r, body, r.randrange(1 << 16))

    def try_frame(self, frame: corpus.Frame) -> None:
        """Write the witness, then look."""
        self.witness.keep(frame)
        self.checker.frame(frame)


def main() -> int:
    """Status 0: nothing found."""
    parser = argparse.ArgumentParser(description="Mutates a corpus against the fast path.")
    parser.add_argument("corpus", nargs="*", help="captures, or folders with captures and torture messages")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--again", type=Path, help="try the packet in this file only")
    options = parser.parse_args()
    witness = Witness()
    frames = corpus.load(options.corpus)
    print(f"fuzz: seed {options.seed}, {len(frames)} packets to start from, witness {witness.path}", flush=True)
    fuzzer = Fuzzer(frames, options.seed, witness)
    try:
        if options.again:
            fuzzer.try_frame(Witness.read(options.again))
            return 0
        run(fuzzer, options.seconds)
    except AssertionError:
        print(f"fuzz: a finding; again: --seed {options.seed}, or --again {witness.path}", file=sys.stderr)
        raise
    witness.path.unlink()
    print(f"fuzz: {fuzzer.checker.packets} packets, {fuzzer.checker.messages} messages, nothing found")
    return 0


def run(fuzzer: Fuzzer, seconds: float) -> None:
    """The corpus as it is, then rounds until the time is over."""
    started = time.monotonic()
    fuzzer.whole()
    print(f"fuzz: the corpus itself took {time.monotonic() - started:.0f} s", flush=True)
    while time.monotonic() - started < seconds:
        for _ in range(100):
            fuzzer.round()


if __name__ == "__main__":
    sys.exit(main())
