"""Whether the sensor acts, at run time: enforce for a time that reverts by itself, observe at once, and what the safety net did.

The mode is the engine's (``policy.mode``). It begins as the configuration says, and stands in the page that outlives each sensor process:
one that is started again goes on as the one before it, for the time that was left. A service that is started anew begins as configured,
except while a fall of the safety net is so recent that what was cut before it may still be the cause (``safety.window``). Reverting goes by
a clock that nobody sets.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from sipsensor.control.server import Command, Peer
from sipsensor.export.events.lasting import mode_event
from sipsensor.live import commanded, targets
from sipsensor.live.commanded import Answer, Arguments, Commanded
from sipsensor.live.page import Number
from sipsensor.model import NANOSECONDS, Mode


class Posture:
    """The mode of one sensor. ``resume`` is to be called before the first packet, ``keep`` between packets whenever the engine may have
    fallen back, ``tick`` about once a second, from any thread.
    """

    def __init__(
        self,
        sensor: Commanded,
        clock: commanded.Clock = commanded.now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sensor = sensor
        self._clock = clock
        self._monotonic = monotonic
        self._tripped = ""
        self._turn = threading.RLock()

    def commands(self) -> dict[str, Command]:
        """By name."""
        return {"enforce": self.enforce, "observe": self.observe}

    @property
    def until(self) -> float | None:
        """When enforcing reverts by itself, in seconds since the epoch; None where it does not."""
        moment = self._until()
        return None if moment is None else commanded.seconds(moment)

    def resume(self, fell: tuple[int, str] | None) -> None:
        """Go on in the mode of the sensor before this one. ``fell``: when (ns) and why the safety net of an earlier service fell, if so."""
        page, policy = self._sensor.page, self._sensor.engine.policy
        configured, before = policy.mode, page.mode
        if before is not None:
            self._fall(page.tripped)
            policy.mode = before
            self.tick()
            if policy.mode is before is not configured:
                left = f" for {self._left():.0f} s more" if self._reverts else ""
                self._told(before, f"the sensor was started again and goes on{left}")
        elif fell is not None and configured is Mode.ENFORCE and self._is_recent(fell[0]):
            self._fall(fell[1])
            policy.mode = Mode.OBSERVE
            why = f"the safety net fell back shortly before the start: {fell[1]}; sipsensor enforce goes on"
            self._told(Mode.OBSERVE, why)
        self.keep()

    def keep(self) -> None:
        """Write the mode into the page."""
        page, engine = self._sensor.page, self._sensor.engine
        if engine.safety.tripped != page.tripped:
            page.tripped = engine.safety.tripped
        page.mode = engine.policy.mode

    def enforce(self, arguments: Arguments, peer: Peer) -> Answer:
        """Act from now on, ``for`` a time or until something else is ordered; ``confirm``: do not revert."""
        seconds = targets.span(arguments, "for", None)
        confirm = targets.flag(arguments, "confirm")
        if confirm and seconds is not None:
            raise ValueError("confirm and for exclude each other; leave one out")
        with self._turn:
            if confirm:
                self._confirm(peer)
                return self._answer()
            self._order(Mode.ENFORCE, seconds)
            self._tripped = ""
            self._told(Mode.ENFORCE, "ordered" if seconds is None else f"ordered for {seconds} s", peer)
            return self._answer()

    def observe(self, _arguments: Arguments, peer: Peer) -> Answer:
        """Only report from now on."""
        with self._turn:
            self._order(Mode.OBSERVE)
            self._told(Mode.OBSERVE, "ordered", peer)
            return self._answer()

    def tick(self) -> None:
        """Revert when it is time; say so when the safety net fell back to observe."""
        engine = self._sensor.engine
        with self._turn:
            tripped = engine.safety.tripped
            if tripped and tripped != self._tripped:
                self._sensor.page[Number.MODE_DEADLINE] = 0
                self._told(Mode.OBSERVE, f"the safety net fell back: {tripped}; sipsensor enforce goes on")
            self._tripped = tripped
            if self._reverts and self._left() <= 0:
                self._order(Mode.OBSERVE)
                self._told(Mode.OBSERVE, "nobody confirmed enforce in time")

    # --- inside

    def _order(self, mode: Mode, seconds: int | None = None) -> None:
        page, engine = self._sensor.page, self._sensor.engine
        with self._sensor.between_packets():
            if mode is Mode.ENFORCE:
                engine.safety.reset(self._clock())
            engine.policy.mode = mode
            # First when it ends: a sensor that dies in between must not leave an enforce that nobody reverts.
            page[Number.MODE_DEADLINE] = int((self._monotonic() + seconds) * NANOSECONDS) if seconds is not None else 0
            self.keep()

    def _confirm(self, peer: Peer) -> None:
        mode = self._sensor.engine.policy.mode
        if not self._reverts or mode is not Mode.ENFORCE:
            raise ValueError(f"there is nothing to confirm: the mode is {mode}; begin with sipsensor enforce --for 15m")
        self._sensor.page[Number.MODE_DEADLINE] = 0
        self._told(Mode.ENFORCE, "confirmed", peer)

    @property
    def _reverts(self) -> bool:
        return bool(self._sensor.page[Number.MODE_DEADLINE])

    def _left(self) -> float:
        """Seconds until it reverts."""
        return self._sensor.page[Number.MODE_DEADLINE] / NANOSECONDS - self._monotonic()

    def _until(self) -> int | None:
        return self._clock() + int(self._left() * NANOSECONDS) if self._reverts else None

    def _fall(self, tripped: str) -> None:
        self._sensor.engine.safety.tripped = self._tripped = tripped

    def _is_recent(self, at: int) -> bool:
        """Where the clock is behind, nobody knows how long ago it was."""
        return self._clock() - at < self._sensor.engine.safety.net.window * NANOSECONDS

    def _answer(self) -> Answer:
        engine = self._sensor.engine
        return {
            "mode": engine.policy.mode.value,
            "configured": self._sensor.settings.mode.value,
            "until": self.until,
            "safety_net": engine.safety.tripped,
        }

    def _told(self, mode: Mode, why: str, peer: Peer | None = None) -> None:
        signed = commanded.by(peer) if peer is not None else None
        commanded.tell(self._sensor, mode_event(mode, self._clock(), why, self._until(), signed))
        self._sensor.say(f"{mode} from now on: {why}" + (f" (user {peer.uid})" if peer is not None else ""))
