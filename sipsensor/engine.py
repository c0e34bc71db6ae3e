"""The straight line: packet in, decision out. Read this second, after ``model``.

``process`` is ``judge(examine(packet))``. ``judge`` assembles, parses, tracks, detects, decides, in this order, and nothing
else. It knows no clock, socket, thread or log; whoever calls it brings the time in the packet and takes the decision away.
Calls must not overlap.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from sipsensor.counters import Counters
from sipsensor.decide.policy import severest
from sipsensor.decide.safety import Safety
from sipsensor.decide.score import Scores
from sipsensor.detect.kinds import KindTable
from sipsensor.model import Action, Arrival, Decision, Direction, Mode, Reason, Verdict
from sipsensor.protocols.parsing import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sipsensor.decide.ledger import Ledger
    from sipsensor.decide.policy import Policy
    from sipsensor.detect.base import Detector, Observer
    from sipsensor.fastpath import examine
    from sipsensor.model import Alert, Cut, Observation, Packet, Table
    from sipsensor.protocols.base import View
    from sipsensor.reassembly.assembler import Assembler
    from sipsensor.track.tracker import Tracker

_FORGED, _INBOUND = int(Arrival.FORGED), int(Arrival.INBOUND)
_INWARD = int(Direction.INBOUND)
_ACCEPT = Verdict.ACCEPT
_NONE = Reason.NONE
_TCP = 6


def ignore(_examined: examine.Examined, _error: BaseException) -> None:
    """Whoever does not ask hears nothing."""


class Engine:
    """One engine for live packets and captures.

    ``on_error`` is the verdict on a packet that the engine failed on, for strangers and for the trusted; ``report_error`` gets that packet.
    ``on_unseen`` is the verdict on a live packet of which only a part could be seen, and in that part nothing to drop it for.
    """

    def __init__(  # noqa: PLR0913  (the rooms of the house, by name)
        self,
        *,
        examiner: examine.Examiner,
        assembler: Assembler,
        tracker: Tracker,
        detectors: Sequence[Detector],
        policy: Policy,
        ledger: Ledger,
        safety: Safety | None = None,
        scores: Scores | None = None,
        on_error: tuple[Verdict, Verdict] = (Verdict.DROP, Verdict.ACCEPT),
        on_unseen: Verdict = Verdict.DROP,
        report_error: Callable[[examine.Examined, BaseException], None] = ignore,
    ) -> None:
        self.examiner = examiner
        self.assembler = assembler
        self.streams = assembler.streams
        self.tracker = tracker
        self.detectors = tuple(detectors)
        self.policy = policy
        self.ledger = ledger
        self.safety = safety or Safety(tracker.standings)
        self.scores = scores or Scores()
        self.kinds = KindTable(self.detectors)
        self.counters = Counters()
        self.on_error = on_error
        self.on_unseen = on_unseen
        self.report_error = report_error

    def process(self, packet: Packet) -> Decision:
        """Examine and judge one packet."""
        return self.judge(self.examiner.examine(packet))

    def judge(self, examined: examine.Examined) -> Decision:
        """The decision on one examined packet. Never raises: what goes wrong inside is counted, reported and answered by ``on_error``."""
        try:
            decision = self._judge(examined)
            if examined.transport == _TCP and self.streams.moving:
                self.streams.settle(delivered=not decision.effect)
        except Exception as error:  # noqa: BLE001  (the one place: a bug must never stop the traffic)
            decision = self._failed(examined, error)
        self.counters.count(examined, decision)
        return decision

    def judge_each(self, walk: examine.Walk, sources: set[bytes], tell: Callable[..., None]) -> None:
        """Judge a batch of a capture file. ``sources`` gets who sent a message; ``tell`` each packet of which there is something to say,
        with its decision.
        """
        for examined in walk:
            decision = self.judge(examined)
            if decision.observation is not None:
                sources.add(examined.src)
            if decision.verdict or decision.alerts or decision.grants or decision.uncuts:
                tell(examined, decision)

    def tick(self, now: int) -> None:
        """Free memory. ``now`` is in the time of the packets."""
        self.assembler.tick(now)
        self.tracker.tick(now)
        self.ledger.tick(now)
        self.policy.trust.tick(now)
        # Who drops nothing is not why phones vanish.
        if self.policy.mode is Mode.ENFORCE and self.safety.tick(now):
            self.policy.mode = Mode.OBSERVE
        for detector in self.detectors:
            detector.tick(now)

    def tables(self) -> Iterator[Table]:
        """How full every bounded table is. May be called from any thread."""
        yield from self.assembler.tables()
        yield from self.tracker.tables()
        yield from self.ledger.tables()
        yield from self.scores.tables()
        for detector in self.detectors:
            yield from detector.tables()

    def _judge(self, examined: examine.Examined) -> Decision:
        if examined.arrival == _FORGED:
            return self.policy.drop(Reason.SPOOFED)
        decision = self._judge_whole(examined)
        # A capture that was cut when it was written says nothing of its traffic; a live packet may hide its purpose behind the cut.
        unseen = examined.truncated and examined.arrival == _INBOUND
        if unseen and self.on_unseen and not decision.verdict and self._from_stranger(examined):
            return self.policy.drop(Reason.UNINSPECTED, None, decision.alerts, decision.observation)
        return decision

    def _judge_whole(self, examined: examine.Examined) -> Decision:
        if self.assembler.is_alone(examined):
            return self._judge_piece(examined)
        pieces = self.assembler.assemble(examined)
        if pieces and pieces[0].transport == _TCP and self.tracker.segment(pieces[0]):
            pieces = self.streams.take(pieces, self.tracker.connections.known(pieces[0]))
        if not pieces:
            if pieces is None and self.on_unseen and self._from_stranger(examined):
                return self.policy.drop(Reason.UNINSPECTED)
            return Decision(_ACCEPT, Reason.INCOMPLETE)
        decisions = []
        for piece in pieces:
            message = parse(piece)
            if message is not None:
                decisions.append(self._judge_message(message, piece))
        return severest(decisions) if decisions else Decision(_ACCEPT, Reason.NOT_OURS)

    def _judge_piece(self, piece: examine.Examined) -> Decision:
        message = parse(piece)
        return self._judge_message(message, piece) if message is not None else Decision(_ACCEPT, Reason.NOT_OURS)

    def _judge_message(self, message: View, examined: examine.Examined) -> Decision:
        observation = self.tracker.track(message, examined)
        self.counters.count_message(observation, examined)
        if self.policy.trust.exempts(observation):
            return self.policy.exempt(observation)
        ended = self.ledger.accepted(observation)
        decision = self._decide(message, observation)
        if ended is not None:
            decision.uncuts = (ended,)
        if observation.grant is not None:
            decision.grants = (observation.grant,)
        for learner in self.kinds.learners[observation.kind]:
            learner.observe(observation)
        return decision

    def _decide(self, message: View, observation: Observation) -> Decision:
        """Shapes first, then cuts in force, then behaviour: what dies anyway is charged to nobody (DESIGN 6)."""
        shapes = self._detect(observation, self.kinds.shapes[observation.kind])
        decision = self.policy.decide(observation, shapes, self.scores.add(observation, shapes) if shapes else None)
        asks = observation.direction == _INWARD and message.is_request
        if asks and self.policy.trust.spares(observation):
            observation.excused = observation.spared = True
        elif asks and not decision.verdict:
            cut = self.ledger.in_force(observation)
            if cut is not None:
                decision = self.policy.drop(cut.reason, cut.rule, decision.alerts, observation)
                decision.cuts = cut.again
                self.safety.cut(observation)
        if not decision.verdict:
            decision = self._behaviour(observation, decision)
        if asks and decision.effect:
            self.tracker.dropped(observation)
        return decision

    def _behaviour(self, observation: Observation, before: Decision) -> Decision:
        """What detectors say, after what shapes said. Limits and cuts are not for whom the operator excuses."""
        if observation.has_credentials:
            observation.offender = self.ledger.is_offender(observation)
        alerts = self._detect(observation, self.kinds.judges[observation.kind])
        if not alerts:
            return before
        decision = self.policy.decide(observation, alerts)
        if decision.verdict and observation.spared:
            decision = self.policy.spare(decision)
        elif decision.verdict:
            decision.cuts = self._cut(decision.alerts, observation)
        decision.alerts = before.alerts + decision.alerts
        decision.rule = decision.rule or before.rule
        return decision

    def _cut(self, alerts: Sequence[Alert], observation: Observation) -> tuple[Cut, ...]:
        cuts: list[Cut] = []
        for alert in alerts:
            if alert.scope is not None and self.policy.action_of(alert.rule) is Action.DROP:
                cuts += self.ledger.cut(observation, alert.scope, alert.rule)
        if cuts:
            self.safety.cut(observation)
        return tuple(cuts)

    def _detect(self, observation: Observation, detectors: tuple[Observer, ...]) -> Sequence[Alert]:
        alerts: Sequence[Alert] = ()
        for detector in detectors:
            found = detector.observe(observation)
            if found:
                alerts = [*alerts, *found]
        return alerts

    def _failed(self, examined: examine.Examined, error: Exception) -> Decision:
        self.counters.errors += 1
        self.streams.moving = None
        with contextlib.suppress(Exception):  # what cannot be reported is counted all the same
            self.report_error(examined, error)
        stranger = True
        with contextlib.suppress(Exception):  # the bug may be there
            stranger = self._from_stranger(examined)
        verdict = self.on_error[not stranger]
        return Decision(verdict, Reason.ERROR, effect=self.policy.effect(verdict))

    def _from_stranger(self, examined: examine.Examined) -> bool:
        """Neither out of the PBX itself nor from an allowlisted address."""
        direction = self.tracker.directions.of(examined, True)  # noqa: FBT003 - as if it were a request
        return direction == _INWARD and not self.policy.trust.exempts_packet(examined, direction)
