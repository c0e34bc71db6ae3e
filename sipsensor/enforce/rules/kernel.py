"""One sensor's rules in this network namespace: put in place, looked after, counted, taken away."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from sipsensor.enforce.rules import counts, queueing, table
from sipsensor.enforce.rules.blind_spots import offloaded, passed_by
from sipsensor.enforce.rules.features import features
from sipsensor.enforce.rules.generation import generation
from sipsensor.enforce.rules.limits import FlowLimit
from sipsensor.enforce.rules.plan import Backend, KernelPlan
from sipsensor.enforce.rules.table import TABLE, Features, table_script
from sipsensor.enforce.rules.tools import RulesError, asked, families, legacy, need_privilege, run
from sipsensor.enforce.rules.tracking import flow_limit, tracked_by_others

DRAIN_SECONDS = 5.0
"""How long the table stays for packets that wait in the queues."""
TRACKING_SECONDS = 30.0
"""Between two looks at whether others have connections tracked, where the ruleset changed: that look reads all of it."""


@dataclass(slots=True)
class _Standing:
    """What was put in place, as the tools list it: what faults are found against."""

    plan: KernelPlan
    backend: Backend
    features: Features
    flows: FlowLimit | None
    table: str = ""
    chains: dict[str, list[str]] = field(default_factory=dict)
    """By iptables tool."""


_OWN = re.compile(rf"^table inet {TABLE} {{$.*?^}}$", re.MULTILINE | re.DOTALL)
_ANONYMOUS = re.compile(r"\{ ([^{}\n]*) \}")
"""A set in a rule, whose elements the kernel lists in an order of its own."""


class KernelRules:
    """The kernel rules of ``plan``. ``plan`` may be replaced: ``faults`` tells that the old one stands, and ``put_back`` changes it.

    ``how``: ``auto`` makes the queueing rules with nft and falls back to iptables, because the kernel's ``queue`` statement for nft is
    missing on some systems; ``none`` touches nothing and only looks whether the operator's rules queue. ``holder(queue)`` names who
    serves a queue, so that the rules of another living sensor are told from leftovers.
    """

    def __init__(self, plan: KernelPlan, how: Literal["auto"] | Backend, holder: Callable[[int], str | None]) -> None:
        self.plan = plan
        self.how = how
        self.holder = holder
        self._standing: _Standing | None = None
        self._generation: int | None = None  # at the last look, where it found no fault
        self._look_always = False
        self._flows: FlowLimit | None = None  # what it should be
        self._tracking_due = 0.0
        self._tracking_owed = False  # the ruleset changed before that look was due

    def install(self) -> Backend:
        """Put the rules in place of any that a dead sensor left, and say how they queue. Raises RulesError, and then nothing is left."""
        need_privilege()
        self._look_always = legacy()
        if self.how == "none":
            return "none"
        self._refuse_second_sensor()
        able = features()
        backend: Backend = "nftables" if able.queue and self.how != "iptables" else "iptables"
        if self.how == "nftables" and not able.queue:
            raise RulesError(
                'nft does not take the queue rules: this kernel has no queue statement for it; try queue.rules = "iptables"'
            )
        self._see_tracking(None)
        standing = _Standing(self.plan, backend, able, self._flows)
        try:
            self._put_table(standing)
            for tool, version in families():
                self._put_chains(standing, tool, version)
        except BaseException:
            self.remove()
            raise
        self._standing = standing
        self._generation = None
        return backend

    def remove(self, is_drained: Callable[[], bool] = lambda: True) -> None:
        """Take all rules of ours away, whatever plan they came from. Raises RulesError when a tool refuses; a second call is harmless.

        The queueing rules go first. With the table go the hooks of its chains, and with a hook the kernel drops whatever waits in any
        queue of the namespace: so the table waits until ``is_drained()``, for five seconds at most.
        """
        self._standing = None
        if self.how != "none":
            self.clear(is_drained)

    @staticmethod
    def clear(is_drained: Callable[[], bool] = lambda: True) -> bool:
        """The same for rules that somebody else may have made in our name, and whether there were any."""
        need_privilege()
        found, refusals = False, []
        for tool, _version in families():
            script = queueing.removal_script(_saved(tool))
            refused = run([f"{tool}-restore", "-w", "5", "--noflush"], script) if script else None
            refusals += [f"{tool}: {refused}"] if refused is not None else []
            found = found or bool(script)
        if _table_stands():
            run(["nft", "flush", "chain", "inet", TABLE, table.LANES])  # there is none where iptables queues
            deadline = time.monotonic() + DRAIN_SECONDS
            while not is_drained() and time.monotonic() < deadline:
                time.sleep(0.01)
            refused = run(["nft", "-f", "-"], table.removal_script())
            refusals += [f"nft: {refused}"] if refused is not None else []
            found = True
        if refusals:
            raise RulesError("the kernel rules could not be removed: " + "; ".join(refusals))
        return found

    def faults(self) -> list[str]:
        """What is not as it should be, in words; none when all stands. Raises RulesError when a tool hangs.

        Runs no tool while nobody changed the ruleset since the last look that found nothing.
        """
        now = generation()
        owed = self._tracking_owed and time.monotonic() >= self._tracking_due
        if not (self._look_always or owed) and now is not None and now == self._generation and self._is_planned():
            return []
        found = self._look()
        self._generation = None if found else now
        return found

    def changed_elements(self, times: int) -> None:
        """The ruleset was changed so often by whoever keeps the sets' elements: that is no reason for a look."""
        if self._generation is not None:
            self._generation += times

    def put_back(self) -> None:
        """Mend what ``faults`` found, and nothing else: what still stands keeps its counters. Raises RulesError."""
        standing = self._standing
        self._generation = None
        if self.how == "none":
            return
        if standing is None:
            self.install()
            return
        wanted = replace(standing, plan=self.plan, flows=self._flows, chains=dict(standing.chains))
        same = (wanted.plan, wanted.flows) == (standing.plan, standing.flows)
        listed = _listed()
        if not same or listed != standing.table:
            self._mend_table(wanted, listed, standing.table if same else "")
        for tool, version in families():
            saved = _saved(tool)
            if wanted.plan != standing.plan or queueing.own_rules(saved) != standing.chains.get(tool, []):
                self._put_chains(wanted, tool, version)
            elif queueing.order_faults(saved):
                _restore(tool, queueing.last_again_script(saved))
        self._standing = wanted

    def counts(self) -> counts.Counts:
        """Packets that met the queueing rules, as the rules' own counters have it now. Raises RulesError when a tool hangs."""
        met = counts.Met()
        if self._standing is None or self._standing.backend == "iptables":
            for tool, _version in families():
                met += counts.of_iptables(asked([f"{tool}-save", "-c", "-t", "mangle"]) or "")
        listed = _ruleset("-j")
        if self._standing is None:
            met += counts.of_nft(listed)
        elif self._standing.backend == "nftables":
            met += counts.of_nft(listed, TABLE)
        return met.counts(self.plan.queues, counts.named(listed))

    def blind_spots(self) -> list[str]:
        """What others' rules keep from ours, in words: not ours to mend. Raises RulesError when a tool hangs."""
        found = list(offloaded(_ruleset()))
        if self._standing is not None and self._standing.backend == "iptables":
            for tool, _version in families():
                found += [f"{tool}: {told}" for told in passed_by(_saved(tool))]
        return found

    def _is_planned(self) -> bool:
        return self.how == "none" or (self._standing is not None and self._standing.plan == self.plan)

    def _look(self) -> list[str]:
        if self.how == "none":
            return self._missing_queues()
        standing = self._standing
        if standing is None:
            return ["the rules were never put in place"]
        found = ["the rules are those of an older configuration"] if standing.plan != self.plan else []
        listed = _listed()
        if listed != standing.table:
            found.append(f"the nft table inet {TABLE} " + ("was changed" if listed else "is gone"))
        for tool, _version in families():
            found += [f"{tool}: {fault}" for fault in _chain_faults(_saved(tool), standing.chains.get(tool, []))]
        self._tracking_owed = time.monotonic() < self._tracking_due
        if not self._tracking_owed:
            self._see_tracking(standing.flows)
        if self._flows != standing.flows:
            found.append("somebody else's rules began, or ceased, to track connections")
        return found

    def _missing_queues(self) -> list[str]:
        lines = [line for tool, _version in families() for line in _saved(tool)]
        numbers = counts.queues_of([*lines, _ruleset()])
        return [
            f'no rule sends packets to queue {number} ({whose}); "sipsensor rules print" says which do'
            for number, whose in zip(self.plan.queues, ("strangers", "the trusted"), strict=True)
            if number not in numbers
        ]

    def _see_tracking(self, standing: FlowLimit | None) -> None:
        """What the limit on new connections should be: the one that stands, a new one, or none where nobody has them tracked."""
        self._tracking_due = time.monotonic() + TRACKING_SECONDS
        self._flows = (standing or flow_limit()) if tracked_by_others() else None

    def _mend_table(self, wanted: _Standing, listed: str, good: str) -> None:
        """With the hooks that stand, where that is enough to have it as it was (``good``, where that is known)."""
        if listed and _load(wanted, mend=True) is None:
            wanted.table = _listed()
            if good in ("", wanted.table):
                return
        self._put_table(wanted)

    def _put_table(self, standing: _Standing) -> None:
        refused = _load(standing, mend=False)
        if refused is not None:
            raise RulesError(f"nft does not take the kernel rules: {refused}")
        standing.table = _listed()

    def _put_chains(self, standing: _Standing, tool: str, version: int) -> None:
        rules = queueing.chain_rules(
            standing.plan,
            version,
            queue=standing.backend == "iptables",
            socket=standing.features.defragment == "socket",
        )
        _restore(tool, queueing.restore_script(rules, _saved(tool)))
        standing.chains[tool] = queueing.own_rules(_saved(tool))

    def _refuse_second_sensor(self) -> None:
        """A packet that passed one queue skips the rules behind it, so the rules of two sensors would blind one of them."""
        lines = [line for tool, _version in families() for line in queueing.own_rules(_saved(tool))]
        for number in sorted(counts.queues_of([*lines, _listed()])):
            other = self.holder(number) if number not in self.plan.queues else None
            if other is not None:
                raise RulesError(f"rules of another sensor stand here: queue {number}, {other}; stop it first")


def _load(standing: _Standing, *, mend: bool) -> str | None:
    """None when nft took the table, else its complaint."""
    queue = standing.backend == "nftables"
    text = table_script(standing.plan, standing.features, standing.flows, queue=queue, mend=mend)
    return run(["nft", "-f", "-"], text)


def _chain_faults(saved: list[str], expected: list[str]) -> list[str]:
    found = queueing.own_rules(saved)
    if found == expected:
        return queueing.order_faults(saved)
    missing = [line for line in expected if line not in found]
    if missing:
        return [f"{len(missing)} of our {len(expected)} rules in mangle are gone"]
    return ["our chains in mangle were changed"]


def _restore(tool: str, script: str) -> None:
    refused = run([f"{tool}-restore", "-w", "5", "--noflush"], script) if script else None
    if refused is not None:
        raise RulesError(f"{tool} does not take the queue rules: {refused}")


def _saved(tool: str) -> list[str]:
    """The mangle table as ``-S`` lists it; empty where it cannot be read, because then there is nothing of ours in it either."""
    return (asked([tool, "-w", "5", "-t", "mangle", "-S"]) or "").splitlines()


def _table_stands() -> bool:
    return any(
        "table" in it and it["table"]["family"] == "inet" and it["table"]["name"] == TABLE
        for it in counts.objects_of(_ruleset("-j"))
    )


def _ruleset(*options: str) -> str:
    """All tables without the elements of their sets. To list one table or its counters nft 1.0 fetches every element of it: two seconds
    when the limits of the sources are full.
    """
    return asked(["nft", *options, "-t", "list", "ruleset"]) or ""


def _listed() -> str:
    """Our table without what changes by itself: counters and the elements of sets that come and go. Empty when it does not stand."""
    table_of_ours = _OWN.search(_ruleset("-s"))
    if table_of_ours is None:
        return ""
    # One by one: nft 1.0.6 takes no second set in one call.
    listed = _ANONYMOUS.sub(lambda found: "{ " + ", ".join(sorted(found[1].split(", "))) + " }", table_of_ours[0])
    return listed + "".join(
        asked(["nft", "-s", "list", "set", "inet", TABLE, name]) or "" for name in table.STATIC_SETS
    )
