"""Capture files with bytes changed, taken out and put in, read and replayed as `sipsensor replay` does."""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path
from random import Random

from sipsensor.app import Replay
from sipsensor.sources.pcap import CaptureError
from tests.soundness.worlds import Failures, engine_of
from tests.support.cases import cases

LARGEST = 200_000
"""Bytes of a case that is taken whole; of a larger one its beginning."""


class Captures:
    """The cases of pcaps/, bent."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.done = 0
        self.failures = Failures()
        self.engine = engine_of({}, self.failures)
        self.contents = [content(case.capture)[:LARGEST] for case in cases()]
        self.folder = tempfile.TemporaryDirectory(prefix="sipsensor-fuzz-")
        self.file = Path(self.folder.name) / "capture"

    def close(self) -> None:
        """No more of it."""
        self.folder.cleanup()

    def round(self) -> None:
        """One file."""
        random = self.random
        broken = bytearray(random.choice(self.contents))
        broken = broken[: random.choice((len(broken), random.randrange(len(broken)), 4000))]
        for _ in range(random.choice((0, 1, 3, 20))):
            at = random.choice((random.randrange(len(broken) + 1), random.randrange(60)))
            what = random.random()
            if what < 0.6 and at < len(broken):
                broken[at] = random.choice((0, 1, 0x7F, 0x80, 0xFF, random.randrange(256)))
            elif what < 0.8:
                del broken[at : at + random.choice((1, 2, 4, 100))]
            else:
                broken[at:at] = random.randbytes(random.choice((1, 4, 16)))
        self.file.write_bytes(gzip.compress(broken, 1) if random.random() < 0.1 else broken)
        self.done += 1
        if random.random() < 0.01:
            self.engine = engine_of({}, self.failures)
        # Most go on with the engine of the file before: making one takes longer than reading a file.
        run = Replay(lambda: self.engine, lambda _examined, _decision: None, verify=random.random() < 0.3)
        try:
            run.run([self.file])
        except CaptureError:
            return
        assert self.failures.said == []


def content(file: Path) -> bytes:
    read = file.read_bytes()
    return gzip.decompress(read) if file.suffix == ".gz" else read
