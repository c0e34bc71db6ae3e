"""What lasts longer than a packet, as numbers: cuts in force, who is proven and trusted, orders, the mode, the safety net.

Counting cuts walks the ledger, which takes the longer the more it holds (40 ms of the interpreter's time with 65,536); so what was
counted holds a thousand times as long as counting took.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from sipsensor.decide.ledger import SCOPES, Held
from sipsensor.engine import Engine
from sipsensor.export.evidence import Evidence
from sipsensor.export.metrics import Series, one
from sipsensor.live import clock as clocks
from sipsensor.live.memory import Facts
from sipsensor.model import Family, Mode, Scope, Standing

_PATIENCE = 1000
_UNTIL, _SCOPE = Held._fields.index("until"), Held._fields.index("scope")
_COUNTED = (Scope.ACCOUNT, Scope.SOURCE, Scope.NETWORK)


class Lasting:
    """The numbers of one engine."""

    def __init__(
        self,
        engine: Engine,
        evidence: Callable[[], Evidence | None] = lambda: None,
        facts: Callable[[], Facts] = Facts,
        clock: Callable[[], int] = clocks.now,
    ) -> None:
        self._engine = engine
        self._evidence = evidence
        self._facts = facts
        self._clock = clock
        self._counted: dict[Scope, int] = {}
        self._due = 0

    def cuts(self) -> dict[Scope, int]:
        """Cuts in force by what they cover, as they were when they were counted last."""
        now = self._clock()
        if now >= self._due or not self._counted:
            began = time.perf_counter_ns()
            found = dict.fromkeys(_COUNTED, 0)
            for _, _, _, numbers in self._engine.ledger.table.entries(now):
                if numbers[_UNTIL] > now:
                    found[SCOPES[numbers[_SCOPE]]] += 1
            self._counted = found
            self._due = now + (time.perf_counter_ns() - began) * _PATIENCE
        return self._counted

    def standing(self) -> dict[Standing, int]:
        """How many ``address . port`` are proven, and how many are trusted."""
        table, now = self._engine.tracker.standings.table, self._clock()
        trusted = table.count(now, Standing.TRUSTED)
        return {Standing.PROVEN: table.count(now, Standing.PROVEN) - trusted, Standing.TRUSTED: trusted}

    def series(self) -> Iterator[Series]:
        """All of it for Prometheus."""
        engine, counters = self._engine, self._engine.counters
        doc = "Cuts in force, by what they cover; with very many, counted now and then"
        yield Series("gauge", "cuts_in_force", doc, [((s.value,), n) for s, n in self.cuts().items()], ("scope",))
        families = {family.value: 0 for family in Family}
        for slug, count in list(counters.cuts.items()):
            families[slug.partition(".")[0]] += count
        doc = "Cuts that began, by the first word of their rule's name"
        yield Series("counter", "cuts", doc, [((name,), n) for name, n in families.items()], ("family",))
        yield one("counter", "uncuts", "Cuts that ended because the PBX accepted whom they were for", counters.uncuts)
        doc = "Times that an address and port became trusted because the PBX accepted credentials from there"
        yield one("counter", "grants", doc, counters.grants)
        doc = "Addresses and ports that receive where they say they are, and those whose credentials the PBX accepted"
        known = [((standing.name.lower(),), count) for standing, count in self.standing().items()]
        yield Series("gauge", "standing", doc, known, ("standing",))
        orders = [(("ban",), len(engine.ledger.orders)), (("trust",), len(engine.policy.trust.orders))]
        yield Series("gauge", "orders", "Networks that are banned, or trusted, by order", orders, ("order",))
        modes = [((mode.value,), float(mode is engine.policy.mode)) for mode in Mode]
        yield Series("gauge", "mode", "1 for the mode at the moment", modes, ("mode",))
        doc = "1 after the safety net fell back to observe, because known phones vanished after a cut"
        yield one("gauge", "safety_net_tripped", doc, float(bool(engine.safety.tripped)))
        facts = self._facts()
        doc = "Elements in the kernel's sets: sources that it drops, and those that go to the trusted queue"
        held = [(("blocked",), facts.blocked), (("trusted",), facts.trusted)]
        yield Series("gauge", "kernel_set_entries", doc, held, ("set",))
        doc = "Changes that the kernel's sets refused; the sensor itself drops what is cut, and they are tried again"
        yield one("counter", "enforcement_errors", doc, facts.enforcement_errors)
        doc = "Times that the state could not be read or written; it is tried again"
        yield one("counter", "store_errors", doc, facts.store_errors)
        evidence = self._evidence()
        doc = 'Memory that the packets kept for "sipsensor why" take'
        yield one("gauge", "evidence_bytes", doc, evidence.bytes if evidence is not None else 0)
