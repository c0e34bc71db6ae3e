"""The supervisor, parent of the other two: starts them, restarts what ends unasked, and kills a sensor that makes no progress.

It has one thread, touches no packet, runs no tool and waits for nothing but signals, so that it goes on when everything else hangs. It
forks from a state in which nothing is bound: nobody but the sensor ever holds a queue's descriptor, except at a take-over.
"""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable

from sipsensor import __version__
from sipsensor.config.settings import Settings
from sipsensor.live.child import SIGNALS, Child
from sipsensor.live.keeper import Keeper
from sipsensor.live.notify import Notifier
from sipsensor.live.page import BACKENDS, Lane, LaneNumber, Number, Page, State
from sipsensor.live.plan import accepts_unjudged, accepts_unserved
from sipsensor.live.sensor import Sensor
from sipsensor.live.takeover import Accept, take_over
from sipsensor.sources.nfqueue import state

TICK = 0.2
"""Seconds between two looks."""
STANDSTILL = 10
"""Looks without progress of a pump, which goes round its loop five times a second at least, after which it hangs: 2 s (DESIGN 2).

Looks are counted and not seconds: after a pause of the whole machine everybody gets them anew.
"""
KEEPER_STANDSTILL = 300
"""Looks without a look of the keeper's: its tools may take their time, but each of them is ended after ten seconds."""
LOSSES = 5
"""Looks between two readings of what the kernel dropped."""
KEEPER_STALE = 50
"""Looks without one of the keeper's after which what he saw last is no longer claimed."""
START_PATIENCE = 60.0
END_PATIENCE = 20.0
OF_ONE_SENSOR = (
    LaneNumber.DESCRIPTOR,
    LaneNumber.TAKEN,
    LaneNumber.RECEIVED,
    LaneNumber.ANSWERED,
    LaneNumber.LAST_ID,
)
"""What the next sensor has to begin anew: a take-over before it did would go by the dead one's numbers."""


class Supervisor:
    """Runs ``sensor`` and ``keeper`` in processes of their own. ``report`` tells of an exception and makes an exit status of it.

    ``hangup_ends``: SIGHUP means that the terminal is gone; else it makes the sensor go on in a fresh event file.
    """

    def __init__(
        self,
        sensor: Sensor,
        keeper: Keeper,
        say: Callable[[str], None],
        report: Callable[[BaseException], int],
        *,
        hangup_ends: bool = False,
        notifier: Notifier | None = None,
    ) -> None:
        self.settings: Settings = sensor.settings
        self.page: Page = sensor.page
        self.sensor = Child("sipsensor-queue", sensor.run, report, sensor.rotate)
        self.keeper = Child("sipsensor-rules", keeper.run, report)
        self._protected = sensor.protected
        self._listener = say
        self._hangup_ends = hangup_ends
        self._notifier = notifier or Notifier()
        self._ending = False
        self._loops = dict.fromkeys(Lane, 0)
        self._still = dict.fromkeys(Lane, 0)
        self._lost = dict.fromkeys(Lane, 0)
        self._served = 0.0
        self._taken = 0  # the sensor process that was taken over, and may still be dying
        self._looks = self._keeper_loops = self._keeper_still = 0

    def run(self) -> int:
        """Run until SIGTERM or SIGINT, then take everything down in order. Returns the exit status: a child's where its start failed."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            status = self._start()
            if status is None:
                self._say(self._posture())
                self._notifier.ready(self._posture())
                while not self._ending:
                    self._look()
                    self._wait()
                status = 0
            self._end()
            return status
        finally:
            for child in (self.keeper, self.sensor):
                child.send(signal.SIGKILL)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    # --- start

    def _start(self) -> int | None:
        """None when all stands; else the status to end with."""
        stands: Callable[[], object]
        for child, stands in (
            (self.sensor, lambda: self.page[Number.SENSOR_STATE] == State.READY),
            (self.keeper, lambda: self.page[Number.BACKEND]),
        ):
            child.start()
            deadline = time.monotonic() + START_PATIENCE
            while not stands():
                status = child.ended()
                if status is not None:
                    return status if status > 0 else 1
                if self._ending:
                    return 0
                if time.monotonic() > deadline:
                    self._say(f"{child.name} did not start within {START_PATIENCE:g} s")
                    return 1
                self._wait()
        self._served = time.monotonic()
        return None

    def _posture(self) -> str:
        settings = self.settings
        whom = ", ".join(self._protected or settings.network.inside) or "this host"
        first, backend = settings.queue.first, BACKENDS[self.page[Number.BACKEND]]
        return (
            f"version {__version__}, {self.page.mode or settings.mode}, {settings.network.placement}, protects {whom}, "
            f"queue {first} and {first + Lane.TRUSTED}, rules {backend}, metrics {settings.metrics.listen or 'off'}"
        )

    def _say(self, line: str) -> None:
        """A log that went away is no reason to go, too."""
        with contextlib.suppress(OSError):
            self._listener(line)

    # --- watch

    def _wait(self) -> None:
        """Until a signal comes, at most for a tick."""
        came = signal.sigtimedwait(SIGNALS, TICK)
        number = came.si_signo if came else 0
        if number == signal.SIGHUP and not self._hangup_ends:
            self.sensor.send(signal.SIGHUP)
        elif number in {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}:
            self._ending = True

    def _look(self) -> None:
        self._looks += 1
        if self._looks % LOSSES == 0:
            self._see_losses()
        status = self.sensor.ended()
        if status is not None:
            self._sensor_ended(f"the sensor {_how(status)}")
        status = self.keeper.ended()
        if status is not None:
            self.page[Number.RULES_STAND] = 0
            self._say(f"the keeper of the rules {_how(status)}; it is started again")
        now = time.monotonic()
        if not self.sensor.process and now >= self.sensor.due:
            self.page[Number.SENSOR_STATE] = State.STARTING
            self.sensor.start()
        if not self.keeper.process and now >= self.keeper.due:
            self.keeper.start()
        self._watch_progress(now)
        self._watch_keeper()

    def _see_losses(self) -> None:
        """What the kernel dropped: its numbers go with the queue, so the last ones seen are kept."""
        for lane in Lane:
            seen = state(self.settings.queue.first + lane)
            if seen is not None:
                self._lost[lane] = seen.dropped_full + seen.dropped_socket

    def _watch_progress(self, now: float) -> None:
        serves = self.page[Number.SENSOR_STATE]
        if serves != State.READY:
            # It starts or ends, and packets pass meanwhile. One that was killed may take its time to die.
            patience, since = (
                (START_PATIENCE, self.sensor.since) if serves == State.STARTING else (END_PATIENCE, self._served)
            )
            if self.sensor.process not in {0, self._taken} and now - since > patience:
                self._take_over(f"did not {'start' if serves == State.STARTING else 'end'} within {patience:g} s")
            if now - self._served < START_PATIENCE:
                self._notifier.beat()
            return
        for lane in Lane:
            loops = self.page.of(lane, LaneNumber.LOOPS)
            self._still[lane] = 0 if loops != self._loops[lane] else self._still[lane] + 1
            self._loops[lane] = loops
        if max(self._still.values()) >= STANDSTILL:
            self._take_over(f"made no progress for {STANDSTILL * TICK:g} s")
        elif not any(self._still.values()):
            self._served = now
            self._notifier.beat()

    def _watch_keeper(self) -> None:
        loops = self.page[Number.KEEPER_LOOPS]
        self._keeper_still = 0 if loops != self._keeper_loops or not self.keeper.process else self._keeper_still + 1
        self._keeper_loops = loops
        if self._keeper_still >= KEEPER_STALE:
            self.page[Number.RULES_STAND] = 0  # nobody knows any longer
        if self._keeper_still >= KEEPER_STANDSTILL:
            self._keeper_still = 0
            self.keeper.send(signal.SIGKILL)

    def _take_over(self, what: str) -> None:
        self.page[Number.HANGS] += 1
        self._taken = self.sensor.process
        queues = {lane: self.settings.queue.first + lane for lane in Lane}
        accept = {
            lane: Accept(accepts_unjudged(self.settings, lane), accepts_unserved(self.settings, lane)) for lane in Lane
        }
        # Until all of it is answered and noted, the numbers do not fit together, and the keeper reckons with none.
        self.page[Number.SENSOR_STATE] = State.ENDING
        answered = take_over(self.sensor.process, queues, self.page, accept, self._see_losses)
        self._say(f"the sensor {what} and was killed; {answered} packets that waited were answered unjudged")
        self._still = dict.fromkeys(Lane, 0)

    def _sensor_ended(self, how: str) -> None:
        for lane in Lane:
            self.page.lane(lane)[LaneNumber.LOST_BEFORE] += self._lost[lane]
            for number in OF_ONE_SENSOR:
                self.page.lane(lane)[number] = 0
            self._lost[lane] = 0
        self._taken = 0
        self.page[Number.RESTARTS] += 1
        self.page[Number.SENSOR_STATE] = State.STARTING
        delay = max(0.0, self.sensor.due - time.monotonic())
        self._say(f"{how}; it is started again" + (f" in {delay:.0f} s" if delay else ""))
        self._notifier.status(f"{how}; started again {self.page[Number.RESTARTS]} times")

    # --- end

    def _end(self) -> None:
        """The rules go first, then what waits is answered, then the queues go: nothing is lost."""
        self._notifier.stopping()
        for child in (self.keeper, self.sensor):
            child.send(signal.SIGTERM)
            deadline = time.monotonic() + END_PATIENCE
            while child.process and child.ended() is None and time.monotonic() < deadline:
                signal.sigtimedwait(SIGNALS, TICK)
            if child.process:
                if child is self.sensor:
                    self._take_over(f"did not end within {END_PATIENCE:g} s")
                else:
                    self._say(f"{child.name} did not end within {END_PATIENCE:g} s and is killed")
                    child.send(signal.SIGKILL)


def _how(status: int) -> str:
    return f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
