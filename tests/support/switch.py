"""An Asterisk that speaks IAX2, with peers and guessers around it: each frame through the engine, each answer only to what the engine let through."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field

from sipsensor.engine import Engine
from sipsensor.model import NANOSECONDS, Decision, Observation, Packet, Standing
from tests.support.iax2 import PORT, element, full
from tests.support.packets import LINK_RAW, PBX, STRANGER, datagram
from tests.support.scanning import PLAIN

FIRST_NUMBER = 5000
UNASKED = 1
"""The number that Asterisk 22 answers from where it keeps no call."""
NOT_SUBSCRIBED = b"\x32"
REJECTED = b"\x1d"


@dataclass
class Peer:
    """Somebody outside: his address and port, the account he is for."""

    account: str = "301"
    src: str = STRANGER
    port: int = PORT


@dataclass
class Talk:
    """What came of one exchange: the decisions on his frames and on the PBX's, in their order."""

    his: list[Decision] = field(default_factory=list)
    answers: list[Decision] = field(default_factory=list)
    refused: bool = False
    accepted: bool = False
    judged: bool = False
    """The PBX looked at his credentials."""

    @property
    def alerts(self) -> set[str]:
        return {alert.rule.slug for decision in self.his for alert in decision.alerts}

    @property
    def last(self) -> Observation:
        """Of his last frame."""
        observation = self.his[-1].observation
        assert observation is not None
        return observation


class Switch:
    """The PBX's side of every exchange, and the clock. ``accounts`` are those whose secret is right."""

    def __init__(self, engine: Engine, *, accounts: Iterable[str] = ("301",), tokens: bool = True) -> None:
        self.engine = engine
        self.accounts = set(accounts)
        self.tokens = tokens
        self.now = 1_000.0
        self._calls = itertools.count(1)
        self._numbers = itertools.count(FIRST_NUMBER)
        self._packets = itertools.count(1)

    def hears(self, peer: Peer, frame: bytes) -> Decision:
        """A frame of somebody outside."""
        return self._pass(datagram(frame, peer.src, PBX, peer.port, PORT))

    def says(self, peer: Peer, frame: bytes) -> Decision:
        """A frame of the PBX."""
        return self._pass(datagram(frame, PBX, peer.src, PORT, peer.port))

    def standing(self, peer: Peer) -> Standing:
        key = PLAIN.examine_raw(datagram(b"x" * 4, peer.src, PBX, peer.port, PORT), LINK_RAW, 0).source_port_key
        return self.engine.tracker.standings.of(key, round(self.now * NANOSECONDS))

    def registers(self, peer: Peer, *, right: bool = True, number: int | None = None, opening: str = "REGREQ") -> Talk:
        """A registration to its end, or until the engine drops one of its frames. ``number``: the call's, where it is not a new one."""
        return self._exchange(peer, next(self._calls) if number is None else number, opening, right=right)

    def calls(self, peer: Peer, *, right: bool = True, called: str = "600") -> Talk:
        """A call until it is taken or refused."""
        return self._exchange(peer, next(self._calls), "NEW", right=right, called=called)

    def _exchange(self, peer: Peer, call: int, opening: str, *, right: bool, called: str = "") -> Talk:
        talk = Talk()
        named = [element("username", peer.account), *([element("called-number", called)] if called else [])]
        if not self._asks(talk, peer, full(opening, [*named, element("call-token")], source=call, timestamp=3)):
            return talk
        if self.tokens:
            token = f"{round(self.now)}?{call:040x}"
            given = full("CALLTOKEN", [element("call-token", token)], source=UNASKED, destination=call, iseqno=1)
            talk.answers.append(self.says(peer, given))
            if not self._asks(
                talk, peer, full(opening, [*named, element("call-token", token)], source=call, timestamp=6)
            ):
                return talk
        number = next(self._numbers)
        challenge = full(
            "AUTHREQ" if opening == "NEW" else "REGAUTH",
            [element("auth-methods", b"\0\2"), element("challenge", str(number)), element("username", peer.account)],
            source=number,
            destination=call,
            iseqno=1,
        )
        talk.answers.append(self.says(peer, challenge))
        answer = [element("md5-result", f"{call:032x}"), *([] if opening == "NEW" else named)]
        frame = full(
            "AUTHREP" if opening == "NEW" else opening,
            answer,
            source=call,
            destination=number,
            timestamp=9,
            oseqno=1,
            iseqno=1,
        )
        if not self._asks(talk, peer, frame):
            return talk
        talk.judged = True
        self._ends(talk, peer, call, number, opening, good=right and peer.account in self.accounts)
        return talk

    def _ends(self, talk: Talk, peer: Peer, call: int, number: int, opening: str, *, good: bool) -> None:
        if opening == "NEW":
            name, said = ("ACCEPT", []) if good else ("REJECT", [element("cause-code", NOT_SUBSCRIBED)])
        else:
            refresh = element("refresh", b"\0\x3c")
            name, said = ("REGACK", [refresh]) if good else ("REGREJ", [element("cause-code", REJECTED)])
        talk.accepted, talk.refused = good, not good
        frame = full(name, said, source=number, destination=call, timestamp=12, oseqno=1, iseqno=2)
        talk.answers.append(self.says(peer, frame))

    def _asks(self, talk: Talk, peer: Peer, frame: bytes) -> bool:
        talk.his.append(self.hears(peer, frame))
        return not talk.his[-1].effect

    def _pass(self, data: bytes) -> Decision:
        self.now += 0.001
        return self.engine.process(Packet(round(self.now * NANOSECONDS), data, LINK_RAW, next(self._packets)))
