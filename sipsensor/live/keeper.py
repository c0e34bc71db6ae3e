"""The keeper process: sees to it that the kernel's rules stand while the sensor serves, and reckons what passed uninspected.

It runs the tools (nft, iptables, ip), which may be slow and may hang. It holds no queue descriptor, so nothing of that reaches a packet.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from sipsensor.config.errors import ConfigError
from sipsensor.config.settings import Placement, QueueRules, Settings
from sipsensor.enforce.rules import Counts, KernelPlan, KernelRules, RulesError
from sipsensor.live.keeping import Keeping
from sipsensor.live.page import BACKENDS, INSIDE_MOST, Lane, LaneNumber, Number, Page, State
from sipsensor.live.plan import kernel_plan
from sipsensor.live.reckoning import Reckoning, Sums
from sipsensor.sources.interfaces import inside_interfaces
from sipsensor.sources.nfqueue import owner, readable, state


class _Limited:
    """What the limits stopped, on the page, where it goes on over rules that were made anew."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._first = dict.fromkeys((Number.LIMITED, Number.SOURCE_LIMITED, Number.TRUSTED_FALLEN), 0)

    def add(self, counts: Counts, *, anew: bool) -> None:
        """The counters now; ``anew``: those of new rules, so these are where counting begins."""
        for number, count in zip(self._first, (counts.limited, counts.sources, counts.fallen), strict=True):
            if anew:
                self._first[number] = self._page[number] - count
            self._page[number] = self._first[number] + count


class Keeper:
    """The rules of one sensor. ``say`` gets lines for the operator. ``run`` raises ConfigError or RulesError without first rules."""

    LOOK = 1.0
    """Seconds between two looks at the rules."""
    HEAR = 0.2
    """Seconds between two looks at what the sensor tells: what was not heard and written is lost with a machine that falls."""
    COUNT = 8
    """Looks between two readings of the rules' counters: each runs a tool for each IP version."""
    ROUTES = 10
    """Looks between two look-ups of the routes, where nothing calls for one sooner."""

    def __init__(self, settings: Settings, page: Page, say: Callable[[str], None], keeping: Keeping) -> None:
        self.settings = settings
        self.keeping = keeping
        self.page = page
        self.say = say
        self._reckonings: dict[Lane, Reckoning] = {}
        self._begins: set[Lane] = set()  # the lanes whose counting is still to begin
        self._limited = _Limited(page)
        self._looks = self._forged = 0
        self._good = time.monotonic_ns()
        self._complaint = ""
        self._anew = False

    def run(self, stop: threading.Event) -> None:
        """Put the rules in place, keep them there until ``stop`` is set, take them away."""
        self._reckonings = {lane: Reckoning(self.page.of(lane, LaneNumber.UNINSPECTED)) for lane in Lane}
        self._plan = kernel_plan(self.settings, self.keeping.trusted)
        self._rules = KernelRules(self._plan, self.settings.queue.rules.value, owner)
        backend = self._rules.install()
        try:
            self._follow_interfaces()
            self._good = time.monotonic_ns()
            self._count(anew=True)
            self.page[Number.RULES_STAND] = int(not self._rules.faults())
            self.page[Number.BACKEND] = BACKENDS.index(backend)
            for line in self._rules.blind_spots():
                self.say(f"the kernel rules: {line}")
            self.keeping.start(stop)
            due = 0.0
            while not stop.wait(min(self.HEAR, self.LOOK)):
                if time.monotonic() < due:
                    with suppress(RulesError, OSError):  # the next look says so
                        self._hear()
                else:
                    due = time.monotonic() + self.LOOK
                    self._look()
        finally:
            self.keeping.close()
            self.page[Number.RULES_STAND] = 0
            self._rules.remove(self._is_drained)

    def _is_drained(self) -> bool:
        """Nothing waits for a verdict, as far as may be known."""
        return all((kernel := state(self.settings.queue.first + lane)) is None or not kernel.waiting for lane in Lane)

    def _look(self) -> None:
        """One look. What goes wrong is said once, and tried again at the next."""
        self.page[Number.KEEPER_LOOPS] += 1
        self._looks += 1
        try:
            if self._interfaces_due():
                self._follow_interfaces()
            self._follow_trust()
            complaint = self._keep_rules()
            self._hear()
            if self._looks % self.COUNT == 0:
                self._count()
        except (ConfigError, RulesError, OSError) as error:
            self.page[Number.RULES_STAND] = int(not self._faults())
            complaint = str(error)
        if complaint and complaint != self._complaint:
            self.say(f"the kernel rules: {complaint}")
        self._complaint = complaint

    def _hear(self) -> None:
        """What the sensor tells is written down and made real."""
        self._rules.changed_elements(self.keeping.look(anew=self._anew))
        self._anew = False

    def _faults(self) -> list[str]:
        try:
            return self._rules.faults()
        except (RulesError, OSError) as error:
            return [str(error)]

    def _keep_rules(self) -> str:
        """Mend what is not as it should be. Returns what the operator has to mend himself; empty when nothing is."""
        faults = self._rules.faults()
        if faults:
            self.page[Number.RULES_STAND] = 0
            if self.settings.queue.rules is QueueRules.NONE:
                return f"{'; '.join(faults)}; they are yours to mend: sipsensor rules print"
            self._rules.put_back()
            self._anew = True
            self.page[Number.RULES_PUT_BACK] += 1
        now = time.monotonic_ns()
        if not self.page[Number.RULES_STAND]:
            gap = now - self._good
            self.page[Number.RULES_STAND] = 1
            self.page[Number.RULES_MISSING] += gap
            came = f"were put back after at most {gap / 1e9:.1f} s: {'; '.join(faults)}"
            self.say("the kernel rules " + (came if faults else f"stand again after at most {gap / 1e9:.1f} s"))
            self._count(anew=True)
        self._good = now
        return ""

    def _interfaces_due(self) -> bool:
        if self.settings.network.placement is Placement.HOST:
            return False
        forged = sum(self.page.of(lane, LaneNumber.FORGED) for lane in Lane)
        due = forged != self._forged or bool(self.settings.network.inside) or self._looks % self.ROUTES == 0
        self._forged = forged
        return due

    def _follow_interfaces(self) -> None:
        """Interfaces come back under other numbers, and routes change: the numbers go to the sensor, the names into the rules."""
        if self.settings.network.placement is Placement.HOST:
            return
        with suppress(ConfigError):  # no route at the moment: what was known stays
            plan = kernel_plan(self.settings, self.keeping.trusted)
            numbers = inside_interfaces(plan.inside, ())[:INSIDE_MOST]
            for place, number in enumerate(numbers):
                self.page.numbers[Number.INSIDE + place] = number
            self.page[Number.INSIDE_COUNT] = len(numbers)
            if plan != self._plan:
                self._change(plan)
                self.say(f"the kernel rules follow the interfaces: {', '.join(plan.inside)}")

    def _follow_trust(self) -> None:
        """Trunks' names got other addresses, or the operator trusts somebody: they take the trusted queue."""
        trusted = (*self.settings.trust.allowlist, *self.keeping.trusted)
        if set(trusted) != set(self._plan.trusted):
            self._change(replace(self._plan, trusted=trusted))

    def _change(self, plan: KernelPlan) -> None:
        self._plan = self._rules.plan = plan
        self._rules.put_back()
        self._anew = True
        self._count(anew=True)

    def _count(self, *, anew: bool = False) -> None:
        """Read the rules' counters and reckon; ``anew``: the rules are new, so these are where counting begins.

        What comes between two readings makes the difference too small, never too large: the rules are read first, and at a beginning last.
        """
        if anew:
            self._begins = set(Lane)
        before = {lane: self._sums(lane, begins=True) for lane in self._begins}
        counts = self._rules.counts()
        self.page[Number.RECKONED] = int(readable())
        self._limited.add(counts, anew=anew)
        for lane in Lane:
            sums = before[lane] if lane in before else self._sums(lane)
            if sums is None:
                continue
            sums = sums._replace(ruled_udp=counts.udp[lane], ruled_other=counts.other[lane])
            if lane in before:
                self._reckonings[lane].restart(sums)
                self._begins.remove(lane)
            self.page.lane(lane)[LaneNumber.UNINSPECTED] = self._reckonings[lane].add(sums)

    def _sums(self, lane: Lane, *, begins: bool = False) -> Sums | None:
        """A lane's numbers but those of the rules; ``begins``: those of the pump are read before the kernel's, else after them.

        None while they do not fit together: a sensor went, and the supervisor has not noted all that went with it.
        """
        serves = self.page[Number.SENSOR_STATE]
        earlier = list(self.page.lane(lane))
        kernel = state(self.settings.queue.first + lane)
        numbers = earlier if begins else list(self.page.lane(lane))
        fits = serves != State.ENDING and (serves == State.READY) == (kernel is not None)
        if not fits or self.page[Number.SENSOR_STATE] != serves:
            return None
        lost, waiting = (kernel.dropped_full + kernel.dropped_socket, kernel.waiting) if kernel else (0, 0)
        if begins:  # what the pump has in hand was received, and still waits for its verdict
            waiting = max(0, waiting - (numbers[LaneNumber.RECEIVED] - numbers[LaneNumber.ANSWERED]))
        return Sums(
            ruled_udp=0,
            ruled_other=0,
            received_udp=numbers[LaneNumber.UDP],
            received_other=numbers[LaneNumber.OTHER],
            lost=numbers[LaneNumber.LOST_BEFORE] + lost,
            waiting=waiting,
            drained_dropped=numbers[LaneNumber.UNJUDGED_DROPPED] - numbers[LaneNumber.STUCK_DROPPED],
            stuck_accepted=numbers[LaneNumber.STUCK_ACCEPTED],
        )
