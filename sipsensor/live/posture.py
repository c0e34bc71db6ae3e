"""Whether the sensor acts, at run time: enforce for a time that reverts by itself, observe at once, and what the safety net did.

The mode is the engine's (``policy.mode``); it begins as the configuration says. Reverting goes by a clock that nobody sets. A sensor
that is started again begins as configured.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from sipsensor.control.server import Command, Peer
from sipsensor.export.events.lasting import mode_event
from sipsensor.live import commanded, targets
from sipsensor.live.commanded import Answer, Arguments, Commanded
from sipsensor.model import NANOSECONDS, Mode


class Posture:
    """The mode of one sensor. ``tick`` is to be called about once a second."""

    def __init__(
        self,
        sensor: Commanded,
        clock: commanded.Clock = commanded.now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sensor = sensor
        self._clock = clock
        self._monotonic = monotonic
        self._deadline: float | None = None
        self._until = 0
        self._tripped = ""

    def commands(self) -> dict[str, Command]:
        """By name."""
        return {"enforce": self.enforce, "observe": self.observe}

    @property
    def until(self) -> float | None:
        """When enforcing reverts by itself, in seconds since the epoch; None where it does not."""
        return None if self._deadline is None else commanded.seconds(self._until)

    def enforce(self, arguments: Arguments, peer: Peer) -> Answer:
        """Act from now on, ``for`` a time or until something else is ordered; ``confirm``: do not revert."""
        seconds = targets.span(arguments, "for", None)
        confirm = targets.flag(arguments, "confirm")
        if confirm and seconds is not None:
            raise ValueError("confirm and for exclude each other; leave one out")
        policy = self._sensor.engine.policy
        if confirm:
            if self._deadline is None or policy.mode is not Mode.ENFORCE:
                raise ValueError(
                    f"there is nothing to confirm: the mode is {policy.mode}; begin with sipsensor enforce --for 15m"
                )
            self._deadline = None
            self._told(Mode.ENFORCE, "confirmed", peer)
            return self._answer()
        with self._sensor.between_packets():
            now = self._clock()
            self._sensor.engine.safety.reset(now)
            policy.mode = Mode.ENFORCE
        self._tripped = ""
        self._deadline = None if seconds is None else self._monotonic() + seconds
        self._until = 0 if seconds is None else now + seconds * NANOSECONDS
        self._told(Mode.ENFORCE, "ordered" if seconds is None else f"ordered for {seconds} s", peer)
        return self._answer()

    def observe(self, _arguments: Arguments, peer: Peer) -> Answer:
        """Only report from now on."""
        with self._sensor.between_packets():
            self._sensor.engine.policy.mode = Mode.OBSERVE
        self._deadline = None
        self._told(Mode.OBSERVE, "ordered", peer)
        return self._answer()

    def tick(self) -> None:
        """Revert when it is time; say so when the safety net fell back to observe."""
        engine = self._sensor.engine
        tripped = engine.safety.tripped
        if tripped and tripped != self._tripped:
            self._deadline = None
            self._told(Mode.OBSERVE, f"the safety net fell back: {tripped}; sipsensor enforce goes on")
        self._tripped = tripped
        if self._deadline is not None and self._monotonic() >= self._deadline:
            with self._sensor.between_packets():
                engine.policy.mode = Mode.OBSERVE
            self._deadline = None
            self._told(Mode.OBSERVE, "nobody confirmed enforce in time")

    def _answer(self) -> Answer:
        engine = self._sensor.engine
        return {
            "mode": engine.policy.mode.value,
            "configured": self._sensor.settings.mode.value,
            "until": self.until,
            "safety_net": engine.safety.tripped,
        }

    def _told(self, mode: Mode, why: str, peer: Peer | None = None) -> None:
        until = self._until if self._deadline is not None else None
        signed = commanded.by(peer) if peer is not None else None
        commanded.tell(self._sensor, mode_event(mode, self._clock(), why, until, signed))
        self._sensor.say(f"{mode} from now on: {why}" + (f" (user {peer.uid})" if peer is not None else ""))
