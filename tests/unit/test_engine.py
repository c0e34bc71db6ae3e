import pytest

from sipsensor.fastpath.examined import Examined
from sipsensor.fastpath.ranges import Networks
from sipsensor.model import (
    Action,
    Alert,
    Arrival,
    Confidence,
    Direction,
    Family,
    Interest,
    Mode,
    Observation,
    Packet,
    Reason,
    Rule,
    Scope,
    Table,
    Verdict,
    When,
)
from sipsensor.model import AppProtocol as App
from sipsensor.track.direction import Directions
from sipsensor.track.tracker import Tracker
from tests.support.engines import LEARN, Broken, Watcher, always, engine, rule
from tests.support.packets import (
    LINK_RAW,
    PBX,
    PBX6,
    STRANGER,
    STRANGER6,
    datagram,
    ipv4,
    message,
    response,
    segment,
    udp,
)

ACCEPT, DROP = Verdict.ACCEPT, Verdict.DROP
TEXT = message()
RULE = rule()
INWARD = Direction.INBOUND


def packet(data: bytes, arrival: Arrival = Arrival.UNKNOWN, ts: int = 0) -> Packet:
    return Packet(ts, data, LINK_RAW, 1, arrival=arrival)


def inbound(payload: bytes = TEXT) -> Packet:
    return packet(datagram(payload))


def test_a_clean_message_is_accepted_for_no_reason() -> None:
    watcher = Watcher()
    one = engine(watcher)
    decision = one.process(inbound())
    assert (decision.verdict, decision.effect, decision.reason, decision.alerts) == (ACCEPT, ACCEPT, Reason.NONE, ())
    assert decision.observation is watcher.seen[0]
    assert (one.counters.packets, one.counters.accepted, one.counters.dropped, one.counters.errors) == (1, 1, 0, 0)


def test_a_rule_that_drops_gives_its_reason_and_itself() -> None:
    decision = engine(Watcher(always(RULE))).process(inbound())
    assert (decision.verdict, decision.effect, decision.reason) == (DROP, DROP, Reason.SIGNATURE)
    assert decision.rule is RULE
    assert [alert.rule for alert in decision.alerts] == [RULE]


def test_observe_says_drop_and_accepts() -> None:
    one = engine(Watcher(always(RULE)), mode=Mode.OBSERVE)
    decision = one.process(inbound())
    assert (decision.verdict, decision.effect, decision.reason) == (DROP, ACCEPT, Reason.SIGNATURE)
    assert one.counters.dropped == 1


@pytest.mark.parametrize(
    "payload", [b"", b"\r\n\r\n", bytes(4), b"hello", b"GET / HTTP/1.1\r\n\r\n", b"\x80\x00" + bytes(20)]
)
def test_what_is_not_sip_is_not_ours(payload: bytes) -> None:
    watcher = Watcher()
    decision = engine(watcher).process(inbound(payload))
    assert (decision.verdict, decision.reason, watcher.seen) == (ACCEPT, Reason.NOT_OURS, [])


def test_a_broken_message_reaches_the_detectors_as_one() -> None:
    watcher = Watcher()
    engine(watcher).process(inbound(b"OPTIONS"))
    assert watcher.seen[0].message.what == 63
    assert watcher.seen[0].direction == Direction.INBOUND


# --- errors ----------------------------------------------------------------------------------------------------------------------------


def broken(_observation: Observation) -> list[object]:
    raise RuntimeError("a bug")


def test_an_error_gives_the_verdict_for_strangers_is_counted_and_reported_and_the_next_packet_is_judged() -> None:
    reported: list[tuple[Examined, BaseException]] = []
    watcher = Watcher(broken)  # type: ignore[arg-type]
    one = engine(watcher, report_error=lambda examined, error: reported.append((examined, error)))
    decision = one.process(inbound())
    assert (decision.verdict, decision.effect, decision.reason) == (DROP, DROP, Reason.ERROR)
    assert one.counters.errors == 1
    assert one.counters.reasons[Reason.ERROR] == 1
    assert reported[0][0].payload == TEXT
    assert str(reported[0][1]) == "a bug"
    watcher.answer = None
    assert one.process(inbound()).verdict is ACCEPT
    assert one.counters.packets == 2


def test_the_verdict_on_an_error_can_be_to_accept() -> None:
    decision = engine(Watcher(broken), on_error=(ACCEPT, ACCEPT)).process(inbound())  # type: ignore[arg-type]
    assert (decision.verdict, decision.reason) == (ACCEPT, Reason.ERROR)


def test_an_error_in_observe_mode_stops_nothing() -> None:
    decision = engine(Watcher(broken), mode=Mode.OBSERVE).process(inbound())  # type: ignore[arg-type]
    assert (decision.verdict, decision.effect) == (DROP, ACCEPT)


def test_an_error_on_what_the_pbx_sends_is_no_strangers() -> None:
    one = engine(Watcher(broken))  # type: ignore[arg-type]
    assert one.process(packet(datagram(TEXT, PBX, STRANGER))).verdict is ACCEPT
    assert one.process(packet(datagram(TEXT), Arrival.OUTBOUND)).verdict is ACCEPT
    assert one.process(packet(datagram(TEXT), Arrival.INBOUND)).verdict is DROP


def test_an_error_on_what_an_allowlisted_source_sends_is_no_strangers() -> None:
    one = engine(Watcher(), allowlist=[STRANGER])
    one.tracker = Broken(one.tracker.directions)
    assert one.process(inbound()).verdict is ACCEPT
    assert one.process(packet(datagram(TEXT, "198.51.100.1"))).verdict is DROP


def test_an_error_while_reporting_an_error_stops_nothing() -> None:
    def report(_examined: Examined, _error: BaseException) -> None:
        raise OSError("no space")

    one = engine(Watcher(broken), report_error=report)  # type: ignore[arg-type]
    assert one.process(inbound()).reason is Reason.ERROR
    assert one.counters.errors == 1


class NoDirections(Directions):
    def of(self, examined: Examined, is_request: bool) -> int:  # noqa: ARG002, FBT001
        raise RuntimeError("a bug")


def test_an_error_that_has_to_do_with_directions_drops() -> None:
    one = engine(Watcher())
    one.tracker = Tracker(NoDirections(Networks([PBX])))
    decision = one.process(inbound())
    assert (decision.verdict, decision.reason) == (DROP, Reason.ERROR)


# --- direction and who is believed -----------------------------------------------------------------------------------------------------


def test_forged_packets_are_dropped_unseen() -> None:
    watcher = Watcher()
    one = engine(watcher, allowlist=[PBX, STRANGER])
    decision = one.process(packet(datagram(response(), PBX, STRANGER), Arrival.FORGED))
    assert (decision.verdict, decision.effect, decision.reason) == (DROP, DROP, Reason.SPOOFED)
    assert watcher.seen == []
    assert one.counters.reasons[Reason.SPOOFED] == 1


def test_forged_packets_pass_in_observe_mode() -> None:
    decision = engine(mode=Mode.OBSERVE).process(packet(datagram(TEXT, PBX, STRANGER), Arrival.FORGED))
    assert (decision.verdict, decision.effect) == (DROP, ACCEPT)


def test_the_hook_is_believed_and_not_the_address() -> None:
    watcher = Watcher()
    one = engine(watcher)
    one.process(packet(datagram(TEXT, PBX, STRANGER), Arrival.INBOUND))
    one.process(packet(datagram(TEXT, STRANGER, PBX), Arrival.OUTBOUND))
    assert [seen.direction for seen in watcher.seen] == [Direction.INBOUND, Direction.OUTBOUND]


@pytest.mark.parametrize(
    ("src", "dst", "payload", "direction"),
    [
        (STRANGER, PBX, TEXT, Direction.INBOUND),
        (PBX, STRANGER, TEXT, Direction.OUTBOUND),
        (STRANGER, PBX, response(), Direction.INBOUND),
        (PBX, STRANGER, response(), Direction.OUTBOUND),
        (STRANGER6, PBX6, TEXT, Direction.INBOUND),
        (PBX6, STRANGER6, TEXT, Direction.OUTBOUND),
        ("10.0.0.1", "10.0.0.2", TEXT, Direction.INBOUND),
        ("10.0.0.1", "10.0.0.2", response(), Direction.OUTBOUND),
        (PBX, PBX, TEXT, Direction.INBOUND),
        (PBX, PBX, response(), Direction.OUTBOUND),
    ],
)
def test_on_replay_addresses_tell_the_direction(src: str, dst: str, payload: bytes, direction: Direction) -> None:
    watcher = Watcher()
    engine(watcher).process(packet(datagram(payload, src, dst)))
    assert watcher.seen[0].direction == direction


@pytest.mark.parametrize("allowlist", [[STRANGER], ["203.0.113.0/24"], ["0.0.0.0/0"]])
def test_the_allowlist_exempts_from_everything(allowlist: list[str]) -> None:
    watcher = Watcher(always(RULE))
    one = engine(watcher, allowlist=allowlist)
    for payload in (TEXT, b"OPTIONS"):
        decision = one.process(inbound(payload))
        assert (decision.verdict, decision.reason, decision.alerts) == (ACCEPT, Reason.ALLOWLISTED, ())
    assert watcher.seen == []
    assert one.counters.sip_messages == 1


def test_the_allowlist_means_the_remote_end() -> None:
    one = engine(Watcher(always(RULE)), allowlist=[STRANGER])
    assert one.process(packet(datagram(TEXT, PBX, STRANGER))).reason is Reason.ALLOWLISTED
    assert one.process(packet(datagram(TEXT, "198.51.100.7", PBX))).verdict is DROP
    assert one.process(packet(datagram(TEXT, "198.51.100.7", STRANGER), Arrival.INBOUND)).verdict is DROP


# --- pieces and several messages -------------------------------------------------------------------------------------------------------


def test_pieces_are_accepted_until_the_whole_is_judged() -> None:
    one = engine(Watcher(always(RULE)))
    body = udp(TEXT)
    first = one.process(packet(ipv4(body[:80], more=True)))
    last = one.process(packet(ipv4(body[80:], offset=80)))
    assert (first.verdict, first.reason) == (ACCEPT, Reason.INCOMPLETE)
    assert (last.verdict, last.reason) == (DROP, Reason.SIGNATURE)


CONTRADICTION = (
    ipv4(udp(TEXT)[:80], more=True),
    ipv4(b"!" * 80, offset=72, more=True),
    ipv4(udp(TEXT)[80:], offset=80),
)


def test_pieces_that_contradict_each_other_do_not_reach_the_pbx() -> None:
    one = engine()
    decisions = [one.process(packet(data)) for data in CONTRADICTION]
    assert [decision.verdict for decision in decisions] == [ACCEPT, DROP, DROP]
    assert decisions[2].reason is Reason.UNINSPECTED


def test_pieces_that_contradict_each_other_pass_where_the_operator_lets_the_unseen_pass() -> None:
    one = engine(on_unseen=ACCEPT)
    assert {one.process(packet(data)).verdict for data in CONTRADICTION} == {ACCEPT}


def test_pieces_that_contradict_each_other_pass_from_the_allowlist_and_from_inside() -> None:
    one = engine(allowlist=[STRANGER])
    assert {one.process(packet(data)).verdict for data in CONTRADICTION} == {ACCEPT}
    one = engine()
    assert {one.process(packet(data, Arrival.OUTBOUND)).verdict for data in CONTRADICTION} == {ACCEPT}


def test_a_live_packet_of_which_a_part_is_hidden_is_not_let_in() -> None:
    cut = datagram(TEXT)[:-20]
    assert engine().process(packet(cut, Arrival.INBOUND)).reason is Reason.UNINSPECTED
    assert engine().process(packet(cut)).verdict is ACCEPT
    assert engine().process(packet(cut, Arrival.OUTBOUND)).verdict is ACCEPT
    assert engine(on_unseen=ACCEPT).process(packet(cut, Arrival.INBOUND)).verdict is ACCEPT
    assert engine(allowlist=[STRANGER]).process(packet(cut, Arrival.INBOUND)).verdict is ACCEPT
    media = datagram(b"\x80\x00" + bytes(100))[:-20]
    assert engine(allowlist=[STRANGER]).process(packet(media, Arrival.INBOUND)).verdict is ACCEPT


@pytest.mark.parametrize("wrap", [datagram, segment])
@pytest.mark.parametrize("bad", [0, 1, 2])
def test_one_packet_gets_the_severest_of_its_verdicts_with_the_alerts_of_all(wrap: object, bad: int) -> None:
    mild = rule("probe.test.mild", number=9002, action=Action.ALERT)

    def judge(observation: Observation) -> list[object]:
        user_agent = observation.message.user_agent
        return list(always(RULE if user_agent == b"bad" else mild)(observation))

    texts = [message(change={"User-Agent": "bad" if number == bad else "good"}) for number in range(3)]
    decision = engine(Watcher(judge)).process(packet(wrap(b"".join(texts))))  # type: ignore[arg-type, operator]
    assert (decision.verdict, decision.rule) == (DROP, RULE)
    assert sorted(alert.rule.id for alert in decision.alerts) == [9001, 9002, 9002]
    assert decision.observation is not None
    assert decision.observation.message.user_agent == b"bad"


# --- who sees what ---------------------------------------------------------------------------------------------------------------------


def test_judges_see_a_message_before_the_verdict_and_learners_after_it_whatever_it_is() -> None:
    order: list[str] = []

    def judge(observation: Observation) -> list[object]:
        order.append("judge")
        return list(always(RULE)(observation))

    def learn(_observation: Observation) -> list[object]:
        order.append("learn")
        return []

    one = engine(Watcher(learn, LEARN), Watcher(judge))  # type: ignore[arg-type]
    assert one.process(inbound()).verdict is DROP
    assert order == ["judge", "learn"]


def test_what_a_learner_says_changes_no_verdict() -> None:
    assert engine(Watcher(always(RULE), LEARN)).process(inbound()).verdict is ACCEPT


def test_a_detector_sees_only_what_it_declared() -> None:
    only_inbound = Watcher(interests=(Interest(When.JUDGE, App.SIP, Direction.INBOUND, [5]),))
    one = engine(only_inbound)
    for data in (datagram(TEXT), datagram(TEXT, PBX, STRANGER), datagram(message("INVITE")), datagram(response())):
        one.process(packet(data))
    assert [seen.message.method for seen in only_inbound.seen] == [b"OPTIONS"]


# --- the order of judgement (DESIGN 6): allowlist, shapes, cuts, behaviour -------------------------------------------------------------


class Shape(Watcher):
    """A detector of shapes that finds one in everything."""

    name = "shape"
    shape = True


def cutting(scope: Scope | None = Scope.SOURCE) -> Watcher:
    """Behaviour that cuts at each request, and is asked for nothing else."""
    behaviour = rule("guessing.test.cut", number=5999, reason=Reason.ACCOUNT, confidence=Confidence.MEDIUM)
    watcher = Watcher(lambda seen: [Alert(behaviour, seen, scope=scope)], (Interest(When.JUDGE, App.SIP, INWARD),))
    watcher.rules = (behaviour,)
    return watcher


def again(number: int = 0) -> Packet:
    via = f"SIP/2.0/UDP 203.0.113.9:5060;branch=z9hG4bK{number}"
    return inbound(message(change={"Via": via}))


def test_what_dies_of_its_shape_is_asked_of_no_behaviour_and_cuts_nobody() -> None:
    behaviour = cutting()
    one = engine(Shape(always(RULE)), behaviour)
    for _ in range(3):
        decision = one.process(inbound())
        assert (decision.reason, decision.cuts) == (Reason.SIGNATURE, ())
    assert behaviour.seen == []
    assert one.ledger.table.fill == 0


def test_a_shape_kills_also_what_is_cut_and_says_so() -> None:
    one = engine(Shape(always(RULE)))
    one.ledger.ban("203.0.113.0/24", 10**19)
    assert one.process(inbound()).reason is Reason.SIGNATURE


def test_what_is_cut_is_asked_of_no_behaviour() -> None:
    behaviour = cutting()
    one = engine(behaviour)
    first, second = one.process(again(1)), one.process(again(2))
    assert (first.reason, [cut.scope for cut in first.cuts]) == (Reason.ACCOUNT, [Scope.SOURCE])
    assert (second.reason, second.rule, second.cuts) == (Reason.BANNED, first.rule, ())
    assert len(behaviour.seen) == 1


def test_nothing_slips_through_after_a_cut() -> None:
    one = engine(cutting())
    assert [one.process(again(number)).verdict for number in range(50)] == [DROP] * 50


def test_the_allowlist_goes_before_all_of_it() -> None:
    one = engine(Shape(always(RULE)), cutting(), allowlist=[STRANGER])
    one.ledger.ban("203.0.113.0/24", 10**19)
    assert one.process(inbound()).reason is Reason.ALLOWLISTED
    assert one.ledger.table.fill == 0


def test_a_rule_that_only_alerts_cuts_nobody() -> None:
    one = engine(cutting(), actions={"guessing.test.cut": Action.ALERT})
    decision = one.process(again())
    assert (decision.verdict, decision.cuts, len(decision.alerts)) == (ACCEPT, (), 1)
    assert one.ledger.table.fill == 0


def test_a_rule_without_a_scope_cuts_nobody() -> None:
    one = engine(cutting(None))
    decision = one.process(again())
    assert (decision.verdict, decision.cuts) == (DROP, ())
    assert one.process(again(2)).reason is Reason.ACCOUNT


def test_observe_says_what_it_would_cut_and_lets_it_pass() -> None:
    one = engine(cutting(), mode=Mode.OBSERVE)
    decisions = [one.process(again(number)) for number in range(3)]
    assert {decision.effect for decision in decisions} == {ACCEPT}
    assert [decision.reason for decision in decisions] == [Reason.ACCOUNT, Reason.BANNED, Reason.BANNED]


def test_what_shapes_said_stays_beside_what_behaviour_says() -> None:
    mild = rule("probe.test.mild", number=9002, action=Action.ALERT)
    decision = engine(Shape(always(mild)), cutting()).process(inbound())
    assert [alert.rule.id for alert in decision.alerts] == [9002, 5999]
    assert decision.rule is not None
    assert decision.rule.id == 5999


def test_whom_the_operator_trusts_is_alerted_on_and_not_dropped_and_not_cut() -> None:
    one = engine(cutting(), trunks=[STRANGER])
    decision = one.process(again())
    assert (decision.verdict, decision.cuts, len(decision.alerts)) == (ACCEPT, (), 1)
    assert one.ledger.table.fill == 0


def test_medium_signatures_drop_once_there_are_enough_of_them() -> None:
    medium = Rule(
        1999,
        "scanner.test.medium",
        "x",
        Family.SCANNER,
        3,
        Confidence.MEDIUM,
        Action.ALERT,
        Reason.SIGNATURE,
        detector="scanner",
    )
    one = engine(Shape(always(medium)))
    verdicts = [one.process(inbound()).verdict for _ in range(4)]
    assert verdicts == [ACCEPT, ACCEPT, DROP, DROP]
    assert one.process(packet(datagram(TEXT, "203.0.113.10"))).verdict is ACCEPT
    assert one.ledger.table.fill == 0


def test_a_request_that_we_dropped_is_no_repetition_when_it_comes_again() -> None:
    seen = Watcher(always(RULE))
    one = engine(seen)
    for _ in range(3):
        one.process(inbound())
    assert [observation.repeats for observation in seen.seen] == [0, 0, 0]


def test_one_that_observe_let_pass_is() -> None:
    seen = Watcher(always(RULE))
    one = engine(seen, mode=Mode.OBSERVE)
    for _ in range(3):
        one.process(inbound())
    assert [observation.repeats for observation in seen.seen] == [0, 1, 2]


def test_responses_are_never_cut_for() -> None:
    one = engine()
    one.ledger.ban("203.0.113.0/24", 10**19)
    assert one.process(inbound(response())).verdict is ACCEPT


def test_tick_reaches_every_room() -> None:
    watcher = Watcher()
    one = engine(watcher)
    one.process(packet(ipv4(udp(TEXT)[:80], more=True)))
    one.tick(31_000_000_000)
    assert watcher.ticks == [31_000_000_000]
    assert len(one.assembler.fragments) == 0


def test_tcp_segments_with_something_in_them_are_counted_as_unassembled() -> None:
    one = engine()
    for data in (segment(TEXT), segment(b""), datagram(TEXT)):
        one.process(packet(data))
    assert one.counters.unassembled_tcp == 1


def test_it_names_the_tables_of_all_its_rooms() -> None:
    class Keeps(Watcher):
        def tables(self) -> list[Table]:
            return [Table("kept", 1, 2, 3)]

    names = [table.name for table in engine(Keeps()).tables()]
    assert names == [
        "fragments",
        "streams",
        "transactions",
        "requests",
        "own_registrations",
        "own_requests",
        "nonces",
        "challenged_requests",
        "foreign_nonces",
        "standing",
        "known_accounts",
        "account_sources",
        "source_accounts",
        "dialogs",
        "connections",
        "iax2_calls",
        "iax2_own_calls",
        "iax2_tokens",
        "iax2_requests",
        "iax2_frames",
        "iax2_spoken",
        "ledger",
        "spared",
        "scores",
        "kept",
    ]
