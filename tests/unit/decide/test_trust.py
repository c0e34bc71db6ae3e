from collections.abc import Sequence

import pytest

from sipsensor.decide.ledger import SCOPES
from sipsensor.decide.trust import Trust
from sipsensor.fastpath.ranges import Networks
from sipsensor.model import Direction, Observation, Reason, Scope, Verdict
from tests.support.engines import Watcher, always, rule
from tests.support.packets import LINK_RAW, PBX, STRANGER, STRANGER6, datagram, message
from tests.support.scanning import PLAIN
from tests.support.site import Guest, Header, Site, site


def exempt(allowlist: list[str], src: str, direction: Direction) -> bool:
    dst = PBX if "." in src else "2001:db8::10"
    examined = PLAIN.examine_raw(datagram(message(), src, dst), LINK_RAW, 0)
    trust = Trust(Networks(allowlist))
    found = trust.exempts(Observation(None, examined, 0, direction, 0, 0))
    assert found == (bool(allowlist) and trust.exempts_packet(examined, direction))
    return found


@pytest.mark.parametrize(
    ("allowlist", "src", "direction", "expected"),
    [
        ([STRANGER], STRANGER, Direction.INBOUND, True),
        (["203.0.113.0/24"], STRANGER, Direction.INBOUND, True),
        ([PBX], STRANGER, Direction.INBOUND, False),
        ([PBX], STRANGER, Direction.OUTBOUND, True),
        ([STRANGER], STRANGER, Direction.OUTBOUND, False),
        ([], STRANGER, Direction.INBOUND, False),
        (["2001:db8:9::/48"], STRANGER6, Direction.INBOUND, True),
        (["0.0.0.0/0"], STRANGER6, Direction.INBOUND, False),
    ],
)
def test_the_remote_end_decides(allowlist: list[str], src: str, direction: Direction, expected: bool) -> None:  # noqa: FBT001
    assert exempt(allowlist, src, direction) is expected


# --- trunks, orders and emergency calls ----------------------------------------------------------------------------------------

TRUNK = "198.51.100.44"
DAY = 86_400 * 10**9


def spared(one: Site, guest: Guest, method: str = "INVITE", uri: str = "sip:49891234@pbx", nonce: str = "") -> bool:
    decision, _ = one.ask(guest, method, uri=uri, nonce=nonce)
    assert decision.observation is not None
    assert decision.observation.excused >= decision.observation.spared
    return decision.observation.spared


def own_nonce(one: Site, guest: Guest, method: str = "INVITE") -> str:
    _, number = one.ask(guest, method)
    one.answer(guest, number, 407, method, nonce=f"n{number}")
    return f"n{number}"


def test_a_trunk_is_spared_and_nobody_else() -> None:
    one = site(trunks=["198.51.100.0/26", "2001:db8:44::/48"])
    assert spared(one, Guest("+49", src=TRUNK))
    assert spared(one, Guest("+49", src="2001:db8:44::1"))
    assert not spared(one, Guest("+49", src="198.51.100.64"))
    assert not spared(site(), Guest("+49", src=TRUNK))


def test_limits_and_cuts_are_not_for_a_trunk() -> None:
    one = site(trunks=[TRUNK])
    for number in range(500):
        decision, _ = one.ask(Guest(f"+4989{number}", src=TRUNK), "INVITE")
        assert decision.verdict is Verdict.ACCEPT
    one.engine.ledger.ban(f"{TRUNK}/32", one.ts + DAY)
    assert one.ask(Guest("+49", src=TRUNK), "INVITE")[0].verdict is Verdict.ACCEPT


def test_a_signature_kills_a_trunks_packet_all_the_same() -> None:
    signature = Watcher(always(rule()))
    signature.shape = True
    one = site(signature, trunks=[TRUNK])
    decision, _ = one.ask(Guest("+49", src=TRUNK), "INVITE")
    assert (decision.verdict, decision.reason) == (Verdict.DROP, Reason.SIGNATURE)


def test_guesses_in_the_name_of_a_trunk_are_guesses() -> None:
    """Its address is no secret, and who forges it can use a nonce of his own where the PBX does not bind it."""
    one = site(trunks=[TRUNK])
    forged = Guest("201", src=TRUNK)
    verdicts = [one.ask(forged, nonce="elsewhere")[0].verdict for _ in range(200)]
    assert verdicts.count(Verdict.ACCEPT) == 10
    assert not one.engine.ledger.table.fill
    assert spared(one, forged, nonce=own_nonce(one, forged))
    assert spared(one, Guest("+49", src=TRUNK))


@pytest.mark.parametrize("number", ["112", "911"])
@pytest.mark.parametrize("uri", ["sip:{}@pbx", "sips:{}@192.0.2.10:5061;user=phone", "tel:{}"])
def test_an_emergency_call_is_spared_from_anybody(number: str, uri: str) -> None:
    one = site(emergency=["112", "911"])
    one.engine.ledger.ban("203.0.113.0/24", one.ts + DAY)
    assert spared(one, Guest(), uri=uri.format(number))
    decision, _ = one.ask(Guest(), "INVITE", uri=uri.format(number))
    assert decision.verdict is Verdict.ACCEPT


def test_only_calls_to_these_numbers_are() -> None:
    one = site(emergency=["112"])
    for uri in ("sip:1120@pbx", "sip:0112@pbx", "sip:11@pbx", "sip:pbx", "sip:113@pbx"):
        assert not spared(one, Guest(), uri=uri)
    assert not spared(one, Guest(), "REGISTER", uri="sip:112@pbx")
    assert not spared(one, Guest(), "OPTIONS", uri="sip:112@pbx")
    assert not spared(site(), Guest(), uri="sip:112@pbx")


def test_an_emergency_call_of_a_known_phone_passes_when_all_its_budgets_are_spent() -> None:
    one = site(emergency=["112"])
    phone = Guest()
    assert one.register(phone).reached
    for _ in range(30):
        one.register(phone, right=False)
    assert one.engine.ledger.table.fill
    nonce = own_nonce(one, phone)
    decision, _ = one.ask(phone, "INVITE", uri="sip:112@pbx", nonce=nonce)
    assert decision.verdict is Verdict.ACCEPT


def test_an_emergency_call_is_no_way_to_guess() -> None:
    one = site(emergency=["112"])
    guest = Guest()
    nonce = own_nonce(one, guest)
    verdicts = [one.ask(guest, "INVITE", uri="sip:112@pbx", nonce=nonce)[0].verdict for _ in range(100)]
    assert verdicts.count(Verdict.ACCEPT) == 10


def test_not_for_who_is_trusted_for_another_account_either() -> None:
    one = site(emergency=["112"])
    assert one.register(Guest("666")).reached
    target = Guest("201")
    nonce = own_nonce(one, target)
    verdicts = [one.ask(target, "INVITE", uri="sip:112@pbx", nonce=nonce)[0].verdict for _ in range(100)]
    assert verdicts.count(Verdict.ACCEPT) == 10


@pytest.mark.parametrize("own", [True, False])
def test_nor_for_who_shares_the_address_of_a_known_phone(own: bool) -> None:  # noqa: FBT001
    """Behind the same NAT, on a nonce of his own or on one that somebody else got."""
    one = site(emergency=["112"])
    assert one.register(Guest("201")).reached
    mate = Guest("201", port=40_000)
    nonce = own_nonce(one, mate if own else Guest("201", src="198.51.100.7"))
    assert emergency(one, mate, nonce) == 10


def test_nor_for_who_forges_the_known_phone_itself() -> None:
    """Its address and port are no secret: without its nonce anybody could have sent it."""
    one = site(emergency=["112"])
    phone = Guest("201", call="its-own-call")
    assert one.register(phone).reached
    forged = Guest("201", call="another")
    assert emergency(one, forged, own_nonce(one, Guest("201", src="198.51.100.7"))) == 10
    assert emergency(one, forged, "made up") == 0
    assert spared(one, phone, uri="sip:112@pbx", nonce=own_nonce(one, phone))


def test_nor_beside_the_credentials_of_an_account_of_ones_own() -> None:
    for account in ("400", "401", "402", "403"):  # whichever of the two is looked at first
        one = site(emergency=["112"])
        own = Guest(account)
        assert one.register(own).reached
        nonce = own_nonce(one, own)
        beside = f'Digest username="{account}", realm="another", nonce="{nonce}", response="1"'
        guest = Guest("201", name=account)
        assert emergency(one, guest, nonce, extra=[("Authorization", beside)]) <= 10


def emergency(one: Site, guest: Guest, nonce: str, extra: Sequence[Header] = ()) -> int:
    """How many of many emergency calls with wrong credentials reach the PBX."""
    reached = 0
    for _ in range(100):
        decision, number = one.ask(guest, "INVITE", uri="sip:112@pbx", nonce=nonce, extra=extra)
        if not decision.effect:
            reached += 1
            one.answer(guest, number, 401, "INVITE", nonce="again")
    return reached


def test_no_limit_is_for_an_emergency_call_without_credentials() -> None:
    one = site(emergency=["112"])
    caller = Guest("201", port=5070)
    for number in range(100):
        one.ask(Guest(str(number), port=caller.port), "INVITE", uri="sip:100@pbx")
    assert one.ask(caller, "INVITE", uri="sip:100@pbx")[0].reason is Reason.LIMIT
    verdicts = [one.ask(caller, "INVITE", uri="sip:112@pbx")[0].verdict for _ in range(100)]
    assert verdicts == [Verdict.ACCEPT] * 100


def test_nor_is_the_cut_of_its_source() -> None:
    one = site(emergency=["112"])
    for number in range(20):
        one.register(Guest(str(5000 + number)), right=False)
    assert Scope.SOURCE in {SCOPES[held.scope] for _, held in one.engine.ledger.cuts(one.ts)}
    caller = Guest("201", port=5070)
    assert one.ask(caller, "INVITE", uri="sip:100@pbx")[0].reason is Reason.BANNED
    verdicts = [one.ask(caller, "INVITE", uri="sip:112@pbx")[0].verdict for _ in range(100)]
    assert verdicts == [Verdict.ACCEPT] * 100


def test_what_a_trunk_sends_beside_its_own_credentials_is_a_guess() -> None:
    one = site(trunks=[TRUNK])
    reached = 0
    for number in range(50):
        guest = Guest(f"90{number}", src=TRUNK)
        nonce = own_nonce(one, guest)
        beside = f'Digest username="201", realm="another", nonce="{nonce}", response="1"'
        decision, _ = one.ask(guest, nonce=nonce, extra=[("Authorization", beside)])
        reached += not decision.effect
    assert reached <= 10


def test_credentials_in_a_trunks_name_are_spared_on_the_trunks_own_nonce_alone() -> None:
    """Also where the account they are for was accepted from there, and whatever port they are sent from."""
    one = site()
    assert one.register(Guest("701", src=TRUNK)).reached
    one.engine.policy.trust.trunks = Networks([TRUNK])
    foreign = own_nonce(one, Guest("701", src="203.0.113.66"), "REGISTER")
    reached = 0
    for number in range(100):
        decision, asked = one.ask(Guest("701", src=TRUNK, port=4000 + number), nonce=foreign)
        if not decision.effect:
            reached += 1
            one.answer(Guest("701", src=TRUNK, port=4000 + number), asked, 401, nonce="again")
    assert reached == 10
    assert not list(one.engine.ledger.cuts(one.ts))


def test_the_operator_trusts_and_takes_it_back() -> None:
    one = site()
    trust = one.engine.policy.trust
    trust.trust("203.0.113.0/24", one.ts + DAY)
    trust.trust("2001:db8:9::/64", one.ts + DAY)
    assert spared(one, Guest())
    assert spared(one, Guest(src="2001:db8:9::9"))
    assert trust.withdraw("203.0.113.0/24")
    assert not trust.withdraw("203.0.113.0/24")
    assert not spared(one, Guest())
    assert spared(one, Guest(src="2001:db8:9::9"))


def test_his_trust_runs_out() -> None:
    one = site()
    one.engine.policy.trust.trust("203.0.113.0/24", one.ts + DAY)
    one.now += 86_399
    one.engine.tick(one.ts)
    assert spared(one, Guest())
    one.now += 1
    one.engine.tick(one.ts)
    assert not spared(one, Guest())


def test_what_is_no_network_is_refused_and_changes_nothing() -> None:
    trust = Trust(Networks())
    with pytest.raises(ValueError, match="nonsense"):
        trust.trust("nonsense", 1)
    assert trust.orders == {}
