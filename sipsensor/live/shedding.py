"""Strangers' packets that the governor does not admit: what becomes of them, and what judging one costs.

Shed means unjudged: no tracker, no detector and no budget hears of the packet. It has reason OVERLOAD and is treated as ``failure.on_full``
says (observe: accepted). Some packets are not shed: calls to emergency numbers, what the allowlist exempts, and TCP segments where what is
shed would be accepted, because the engine's view of that stream would have a hole that the PBX's has not. A piece of a datagram is shed
like any packet: where it is dropped, the PBX cannot complete the datagram; where it is accepted, the datagram passes unjudged.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from sipsensor.app import build_engine
from sipsensor.detect.scanner import Scanner
from sipsensor.fastpath import names, tables
from sipsensor.model import Action, Arrival, Confidence, Decision, Direction, Mode, Packet, Reason, Rule, Verdict

if TYPE_CHECKING:
    from sipsensor.config.settings import Settings
    from sipsensor.engine import Engine
    from sipsensor.fastpath import examine

JUDGE = -1
"""Of a packet that is judged nonetheless."""
TELL_MOST = 20
"""Events a second about packets that were shed: a flood has a new source with each packet, which the cap by source does not see."""

_TCP = 6
_URI_USER = names.FIELDS["uri.user"]
_CALL = frozenset(names.METHODS.index(method) for method in (b"INVITE", b"ACK", b"CANCEL", b"PRACK", b"BYE"))

Tell = Callable[["examine.Examined", Decision, bool], None]


class Shedding:
    """Decides on packets that the governor sheds. ``verdict`` is that of ``failure.on_full`` for strangers; ``tell`` hears of each.

    Calls must not overlap with the engine's, whose policy it asks and whose counters it keeps.
    """

    def __init__(self, engine: Engine, verdict: Verdict, tell: Tell) -> None:
        self.accepted = 0
        self.dropped = 0
        self._engine = engine
        self._verdict = verdict
        self._tell = tell
        self._aloud = tables.RateTable(8, ((TELL_MOST, 1),))
        self._signatures = next(
            each.signatures for each in engine.detectors if isinstance(each, Scanner) and each.name == Scanner.name
        )

    def shed(self, examined: examine.Examined) -> int:
        """1 to drop the packet, 0 to accept it, ``JUDGE`` where it must be judged."""
        policy = self._engine.policy
        if self._spared(examined):
            return JUDGE
        rule = self._known(examined)
        if rule is not None:
            decision = policy.drop(rule.reason, rule)
        else:
            effect = policy.effect(self._verdict)
            if examined.transport == _TCP and not effect:
                return JUDGE
            decision = Decision(self._verdict, Reason.OVERLOAD, effect=effect)
        self._engine.counters.count(examined, decision)
        self._tell(examined, decision, not self._aloud.charge(1, examined.ts))
        if decision.effect:
            self.dropped += 1
        else:
            self.accepted += 1
        return decision.effect

    def _spared(self, examined: examine.Examined) -> bool:
        trust = self._engine.policy.trust
        if trust.emergency and examined.method in _CALL and examined.norm(_URI_USER) in trust.emergency:
            return True
        return bool(trust.allowlist) and trust.exempts_packet(examined, Direction.INBOUND)

    def _known(self, examined: examine.Examined) -> Rule | None:
        """The signature that is sure enough to drop this packet by itself."""
        signatures, policy = self._signatures, self._engine.policy
        for index in (*examined.hits, *examined.candidates):
            rule = signatures.rules[index]
            if (
                rule.confidence is Confidence.HIGH
                and policy.action_of(rule) is Action.DROP
                and signatures.directions[index] in {None, Direction.INBOUND}
                and (index in examined.hits or signatures.confirm(index, examined))
            ):
                return rule
        return None


# --- what judging costs

_SECONDS = 0.1
_WARM = 64
_MOST = 2000
_PBX = "192.0.2.1"
_START = 1_700_000_000_000_000_000


def cost_of_judging(settings: Settings, seconds: float = _SECONDS) -> float:
    """What judging a stranger's packet takes here, in ns of processor: clean REGISTERs, each of another sender, through an engine of
    their own. Takes about ``seconds``.
    """
    alone = replace(settings, network=replace(settings.network, protected=(_PBX,), public=(), proxies=()))
    engine = build_engine(alone, mode=Mode.ENFORCE)
    spent = count = 0
    deadline = time.monotonic() + seconds
    for packet in _registers(settings.network.sip_ports[0] if settings.network.sip_ports else 5060):
        examined = engine.examiner.examine(packet)
        started = time.thread_time_ns()
        engine.judge(examined)
        if packet.number > _WARM:
            spent += time.thread_time_ns() - started
            count += 1
        if count and time.monotonic() > deadline:
            break
    del engine
    # Its tables go now, not when packets wait.
    gc.collect()
    return max(1.0, spent / count)


def _registers(port: int) -> Iterator[Packet]:
    for number in range(1, _WARM + _MOST + 1):
        sender = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        text = (
            f"REGISTER sip:{_PBX} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {sender}:5060;branch=z9hG4bK-{number:x}-1;rport\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:{number}@{_PBX}>;tag={number:x}\r\nTo: <sip:{number}@{_PBX}>\r\n"
            f"Call-ID: {number:08x}@{sender}\r\nCSeq: 1 REGISTER\r\nContact: <sip:{number}@{sender}:5060>\r\n"
            "User-Agent: Phone 1.0\r\nAllow: INVITE, ACK, CANCEL, BYE, OPTIONS, NOTIFY, REFER, UPDATE\r\nSupported: path, outbound\r\n"
            "Expires: 300\r\nContent-Length: 0\r\n\r\n"
        )
        yield Packet(
            _START + number * 1_000_000, _datagram(sender, port, text.encode()), 12, number, arrival=Arrival.INBOUND
        )


def _datagram(sender: str, port: int, payload: bytes) -> bytes:
    """IPv4 and UDP around it; nobody looks at the checksums."""
    udp = (5060).to_bytes(2) + port.to_bytes(2) + (8 + len(payload)).to_bytes(2) + bytes(2)
    length = 20 + len(udp) + len(payload)
    ends = bytes(map(int, sender.split("."))) + bytes(map(int, _PBX.split(".")))
    return b"\x45\0" + length.to_bytes(2) + bytes(4) + b"\x40\x11" + bytes(2) + ends + udp + payload
