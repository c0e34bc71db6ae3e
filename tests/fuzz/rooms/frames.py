"""Frames of IAX2, whole and broken: the scan finds what a second reader in plain Python finds, and every field of it can be asked for."""

from __future__ import annotations

from random import Random

from sipsensor.fastpath.examine import CONTENT_FRAME_MALFORMED, Examiner
from sipsensor.fastpath.matcher import Matcher
from sipsensor.fastpath.names import ELEMENTS, FIELDS
from sipsensor.protocols.iax2 import IaxFrame, parse
from tests.fuzz.invariants import SEED, everything_matcher
from tests.support import iax2
from tests.support.frames import found, read
from tests.support.iax2 import element, full, mini, trunk, video
from tests.support.packets import LINK_RAW, datagram

ROUND = 300
VALUES = (b"", b"\0", b"office", b"off\0ice", b"\0\2", bytes(4), bytes(9), b"0" * 32, bytes(255))


class Frames:
    """One examiner for all of them: nothing of a frame may show in the next."""

    def __init__(self, seed: int) -> None:
        self.done = self.malformed = 0
        self.random = Random(seed)
        self.examiners = (Examiner(Matcher(), (5060,), SEED), Examiner(everything_matcher(), (5060,), SEED))

    def close(self) -> None:
        """Nothing to give back."""

    def round(self) -> None:
        """Some frames, each looked at twice."""
        for _ in range(ROUND):
            payload = self.payload()
            data = datagram(payload, sport=self.random.choice((40_000, iax2.PORT)), dport=iax2.PORT)
            expected = read(payload)
            for examiner in self.examiners:
                examined = examiner.examine_raw(data, LINK_RAW, 0)
                assert found(examined) == expected, payload
                self.ask(parse(examined))
            self.malformed += expected.content == CONTENT_FRAME_MALFORMED
        self.done += ROUND

    def ask(self, view: object) -> None:
        """Everything that a view can be asked for."""
        if not isinstance(view, IaxFrame):
            return
        for name in ELEMENTS:
            field = FIELDS[f"ie.{name}"]
            assert -1 <= view.number(name) < 2**63
            assert (view.get(name) is None) == (not view.examined.has(field)) == (not view.examined.values(field))
        assert (view.account is None) == (view.get("username") is None)

    def payload(self) -> bytes:
        """A frame; now and then with other bytes somewhere, or without its end."""
        random = self.random
        made = self.frame()
        if random.random() < 0.3:
            changed = bytearray(made)
            for _ in range(random.choice((1, 1, 3))):
                changed[random.randrange(len(changed))] = random.choice((0, 1, 6, 0x80, 0xFF, random.randrange(256)))
            made = bytes(changed)
        if random.random() < 0.15:
            made = made[: random.randrange(len(made) + 1)]
        return made

    def frame(self) -> bytes:
        random = self.random
        what = random.random()
        if what < 0.1:
            return mini(random.randrange(1, 1 << 15), random.randrange(1 << 16), bytes(random.randrange(200)))
        if what < 0.15:
            return video(random.randrange(1 << 15), random.randrange(1 << 16), bytes(random.randrange(20)))
        if what < 0.3:
            entries = [(random.randrange(1 << 15), bytes(random.randrange(60))) for _ in range(random.randrange(6))]
            return trunk(entries, random.randrange(1 << 32), times=random.random() < 0.5)
        elements = [
            element(
                random.choice(list(ELEMENTS.values()) if random.random() < 0.9 else (0, 58, 200)), random.choice(VALUES)
            )
            for _ in range(random.choice((0, 1, 3, 8, 300 if random.random() < 0.02 else 2)))
        ]
        return full(
            random.choice((random.randrange(1, 41), random.randrange(256))),
            elements,
            source=random.randrange(1 << 15),
            destination=random.choice((0, random.randrange(1 << 15))),
            timestamp=random.choice((0, 3, random.randrange(1 << 32))),
            oseqno=random.choice((0, random.randrange(256))),
            iseqno=random.randrange(256),
            kind=random.choice((6, 6, 6, random.randrange(256))),
            repeated=random.random() < 0.2,
        )
