"""Standing, budgets and cuts under any history: what DESIGN 6 promises of them, checked after each step.

The world is a PBX with two accounts, a phone and a guesser behind one NAT, a guesser elsewhere, and somebody who forges whatever he
likes but sees no answer. ``Site`` answers as a PBX does: only what the engine lets through.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sipsensor.detect.enumeration import Enumeration, EnumerationSettings
from sipsensor.detect.guessing import Guessing, GuessingSettings
from sipsensor.detect.handshakes import Handshakes, HandshakesSettings
from sipsensor.fastpath.ranges import Networks
from sipsensor.fastpath.tables import keyed_hash
from sipsensor.model import NANOSECONDS, Limit, Standing, Verdict
from tests.support.packets import message, wide
from tests.support.scanning import SEED
from tests.support.site import Guest, Site, site

NAT, ELSEWHERE, INNOCENT = "198.51.100.9", "203.0.113.66", "203.0.113.1"
PAIR, UNPROVEN, NAMES, STRANGERS = Limit(4, 600), Limit(3, 600), Limit(5, 3600), Limit(12, 3600)
PASSWORD_SEEN = Limit(10_000, 1)
QUIET = 60
"""Longest step of time, s: in all of a run less than a budget's unit leaks … so that what passes can be counted."""

accounts = st.sampled_from(["201", "202"])
ports = st.integers(5060, 5063)


def world() -> Site:
    """Small budgets that never fill up again while a test runs."""
    guessing = GuessingSettings(
        account=Limit(PAIR.count, 10**7),
        account_sustained=PASSWORD_SEEN,
        unproven=Limit(UNPROVEN.count, 10**7),
        account_everywhere=PASSWORD_SEEN,
        source=PASSWORD_SEEN,
        source_names=PASSWORD_SEEN,
        network=PASSWORD_SEEN,
    )
    names = EnumerationSettings(sender=Limit(NAMES.count, 10**7), strangers=Limit(STRANGERS.count, 10**7))
    return site(Guessing(guessing), Enumeration(names), Handshakes(HandshakesSettings(sender=PASSWORD_SEEN)))


class World(RuleBasedStateMachine):
    """Two engines with one history. ``reached`` counts wrong guesses that the PBX judged, by account and source."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.twin = world(), world()
        self.reached: dict[tuple[str, str], int] = {}
        self.stray: dict[str, int] = {}
        self.names: set[str] = set()
        self.accepted: set[tuple[str, str]] = set()
        self.spared: dict[str, int] = {}

    def both(self, what: str, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401
        """The same step at both sites; the decisions must be alike."""
        found = getattr(self.one, what)(*arguments, **options)
        other = getattr(self.twin, what)(*arguments, **options)
        assert summary(found) == summary(other)
        return found

    @initialize()
    def home(self) -> None:
        """The phone is known from its own address from the beginning."""
        for account in ("201", "202"):
            assert self.both("register", Guest(account, src=INNOCENT, port=int(account) + 5000, call=account)).reached

    @rule(seconds=st.integers(0, QUIET))
    def later(self, seconds: int) -> None:
        self.one.now += seconds
        self.twin.now += seconds
        self.one.engine.tick(self.one.ts)
        self.twin.engine.tick(self.twin.ts)

    @rule(account=accounts, src=st.sampled_from([NAT, ELSEWHERE]), port=ports, count=st.integers(1, 6))
    def guess(self, account: str, src: str, port: int, count: int) -> None:
        """Wrong passwords, on nonces of his own."""
        for _ in range(count):
            made = self.both("register", Guest(account, src=src, port=port), right=False)
            self.reached[account, src] = self.reached.get((account, src), 0) + made.reached

    @rule(account=accounts, src=st.sampled_from([NAT, ELSEWHERE]), port=ports)
    def right(self, account: str, src: str, port: int) -> None:
        """The right password."""
        made = self.both("register", Guest(account, src=src, port=port, call=account + src))
        if made.code == 200:
            self.accepted.add((account, src))
            assert self.one.standing(src, port) is Standing.TRUSTED
            # Who is trusted at this very port is judged by it; else the whole source is.
            assert self.one.engine.ledger.table.get(made.answer.observation.request.pair, self.one.ts) is None

    @rule(
        account=accounts,
        src=st.sampled_from([INNOCENT, NAT, "203.0.113.77"]),
        port=ports | st.sampled_from([5201, 5202]),
        count=st.integers(1, 5),
        nonce=st.sampled_from(["elsewhere", "another"]),
    )
    def forge_guess(self, account: str, src: str, port: int, count: int, nonce: str) -> None:
        """Wrong credentials in somebody's name, on a nonce that did not go there."""
        for _ in range(count):
            decision, number = self.both("ask", Guest(account, src=src, port=port), nonce=nonce)
            if decision.verdict is Verdict.ACCEPT:
                if (account, src) not in self.accepted and src != INNOCENT:
                    self.stray[account] = self.stray.get(account, 0) + 1
                self.both("answer", Guest(account, src=src, port=port), number, 401, nonce="fresh")

    @rule(
        src=st.sampled_from([INNOCENT, NAT]), port=ports | st.just(5201), text=st.sampled_from([b"OPTIONS", b"\0" * 9])
    )
    def forge_rubbish(self, src: str, port: int, text: bytes) -> None:
        self.both("outside", text, src, port)

    @rule(number=st.integers(0, 400), src=st.sampled_from([NAT, ELSEWHERE, "203.0.113.78"]), port=ports)
    def new_name(self, number: int, src: str, port: int) -> None:
        """A name that the PBX has not."""
        guest = Guest(f"n{number}", src=src, port=port)
        decision, asked = self.both("ask", guest)
        if decision.verdict is Verdict.ACCEPT:
            self.names.add(f"{number} {src} {port}")
            self.both("answer", guest, asked, 404)

    @rule(src=st.sampled_from([NAT, ELSEWHERE]))
    def unban(self, src: str) -> None:
        """The operator forgives an address: nothing of it is cut, and for the grace time nothing will be."""
        for one in (self.one, self.twin):
            if not [held for _, held in one.engine.ledger.cuts(one.ts, over=True) if held.address == wide(src)]:
                continue  # whom nothing was said of, is not spared
            ledger, networks = one.engine.ledger, Networks([src])
            within = [key for key, held in ledger.cuts(one.ts, over=True) if held.lies_in(networks)]
            ledger.lift(within, source_of, one.ts)
            assert not [held for _, held in one.engine.ledger.cuts(one.ts) if held.address == wide(src)]
            self.spared[src] = one.ts + one.engine.ledger.ladder.grace * NANOSECONDS

    @invariant()
    def who_is_spared_is_not_cut(self) -> None:
        for _, held in self.one.engine.ledger.cuts(self.one.ts):
            for src, until in self.spared.items():
                assert held.address != wide(src) or not held.since < until

    @rule(port=ports)
    def forge_answer(self, port: int) -> None:
        """An answer of the PBX that it never sent."""
        head = Guest("201", src=NAT, port=port).head("REGISTER", 1, tag="pbx")
        text = b"SIP/2.0 200 OK\r\n" + message("REGISTER", change=head).split(b"\r\n", 1)[1]
        self.both("outside", text, NAT, port)

    @invariant()
    def nobody_is_cut_for_what_a_third_party_could_have_sent(self) -> None:
        addresses = {str(held.address[-4:]) for _, held in self.one.engine.ledger.cuts(self.one.ts, over=True)}
        innocent = str(bytes(int(part) for part in INNOCENT.split(".")))
        assert innocent not in addresses

    @invariant()
    def no_pair_has_more_guesses_than_its_budget(self) -> None:
        for (account, src), count in self.reached.items():
            # Each port that was trusted has a budget of its own, for whom the PBX accepted; a probe or parole comes now and then.
            if (account, src) not in self.accepted:
                assert count <= PAIR.count, (account, src, count)

    @invariant()
    def those_who_prove_nothing_share_a_budget(self) -> None:
        for account, count in self.stray.items():
            assert count <= UNPROVEN.count, (account, count)

    @invariant()
    def new_names_have_a_budget(self) -> None:
        assert len(self.names) <= STRANGERS.count

    @invariant()
    def the_phone_at_home_is_never_locked_out(self) -> None:
        made = self.both("register", Guest("201", src=INNOCENT, port=5201, call="201"))
        assert made.code == 200
        assert self.one.standing(INNOCENT, 5201) is Standing.TRUSTED

    @invariant()
    def no_bucket_is_below_empty_or_above_full(self) -> None:
        guessing: Any = self.one.engine.detectors[0]
        for account in (201, 202):
            assert 0 <= guessing.pairs.level(account, self.one.ts) <= PAIR.count

    def teardown(self) -> None:
        """The same history gives the same state."""
        for mine, other in ((self.one, self.twin), (self.twin, self.one)):
            assert state(mine) == state(other)
        assert self.one.engine.counters.errors == 0


def source_of(address: bytes) -> int:
    """The source's key of an IPv4 address."""
    return keyed_hash(SEED, address)


def summary(found: Any) -> Any:  # noqa: ANN401
    """What of a step must be the same in both worlds."""
    if isinstance(found, tuple):
        return [summary(each) for each in found]
    if hasattr(found, "decisions"):
        return [summary(each) for each in found.decisions], found.code
    if hasattr(found, "verdict"):
        rules = [alert.rule.slug for alert in found.alerts]
        return found.verdict, found.reason, rules, [(cut.scope, cut.until) for cut in found.cuts], len(found.grants)
    return found


def state(one: Site) -> Any:  # noqa: ANN401
    """All that outlives a restart."""
    kept = {**one.engine.ledger.kept(), **one.engine.tracker.standings.kept()}
    return {name: sorted(table.entries(one.ts)) for name, table in kept.items()}


TestWorld: Any = World.TestCase
TestWorld.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


@pytest.mark.parametrize("strangers", [10_000])
def test_no_crowd_of_strangers_pushes_out_the_trusted(strangers: int) -> None:
    """Each of them with a challenge, credentials and an answer: whatever costs a place costs strangers theirs."""
    one = world()
    one.engine.tracker.standings.__init__(capacity=64)  # type: ignore[misc]
    phones = [Guest(str(300 + number), src=f"192.0.2.{100 + number}") for number in range(16)]
    for phone in phones:
        assert one.register(phone).reached
    for number in range(strangers // 10):
        one.register(Guest(str(number), src=f"198.18.{number // 250}.{number % 250 + 1}"), right=False)
    assert all(one.standing(phone.src) is Standing.TRUSTED for phone in phones)
