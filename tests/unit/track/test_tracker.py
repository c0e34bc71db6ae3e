from sipsensor.fastpath.tables import Networks
from sipsensor.model import WHAT_MALFORMED, WHAT_STATUS, AppProtocol, Direction, Observation, Outcome, Standing, kind_of
from sipsensor.protocols.sip import parse
from sipsensor.track.direction import Directions
from sipsensor.track.tracker import Tracker
from sipsensor.track.transactions import Transactions
from tests.support.packets import LINK_RAW, PBX, STRANGER, datagram, message, response
from tests.support.scanning import PLAIN


def tracker() -> Tracker:
    return Tracker(Directions(Networks([PBX])), Transactions())


def track(one: Tracker, payload: bytes, src: str = STRANGER, dst: str = PBX) -> Observation:
    examined = PLAIN.examine_raw(datagram(payload, src, dst), LINK_RAW, 0)
    view = parse(examined)
    assert view is not None
    return one.track(view, examined)


def test_the_kind_is_protocol_direction_standing_and_method_or_status_class() -> None:
    one = tracker()
    for payload, src, dst, direction, what in (
        (message("INVITE"), STRANGER, PBX, Direction.INBOUND, 0),
        (message("FUZZ"), STRANGER, PBX, Direction.INBOUND, 14),
        (response(486, "Busy"), PBX, STRANGER, Direction.OUTBOUND, WHAT_STATUS + 4),
        (b"OPTIONS", STRANGER, PBX, Direction.INBOUND, WHAT_MALFORMED),
    ):
        observation = track(one, payload, src, dst)
        assert observation.kind == kind_of(AppProtocol.SIP, direction, Standing.STRANGER, what)
        assert (observation.direction, observation.standing, observation.outcome) == (
            direction,
            Standing.STRANGER,
            Outcome.PENDING,
        )


def test_retransmissions_of_inbound_requests_are_counted() -> None:
    one = tracker()
    assert [track(one, message()).repeats for _ in range(3)] == [0, 1, 2]


def test_what_goes_out_and_what_answers_count_nothing() -> None:
    one = tracker()
    for _ in range(2):
        assert track(one, message(), PBX, STRANGER).repeats == 0
        assert track(one, response()).repeats == 0
    assert one.transactions.table.fill == 0


def test_tick_is_harmless() -> None:
    one = tracker()
    track(one, message())
    one.tick(10**18)
    assert track(one, message()).repeats == 1
