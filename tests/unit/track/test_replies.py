from sipsensor.model import NANOSECONDS as S
from sipsensor.track.replies import BLIND, BLIND_REQUESTS, STALLED, Replies


def test_a_pbx_that_answers_does_not_stall() -> None:
    one = Replies()
    for second in range(100):
        one.asked(second * S, relieved=True)
        assert not one.stalled(second * S)
        one.answered()
    assert not one.stalled(200 * S)


def test_it_stalls_when_somebody_it_knows_waits_too_long_and_no_longer_once_it_answers_anybody() -> None:
    one = Replies()
    one.asked(10 * S, relieved=True)
    one.asked(11 * S, relieved=True)
    assert not one.stalled(10 * S + STALLED)
    assert one.stalled(10 * S + STALLED + 1)
    one.answered()
    assert not one.stalled(100 * S)


def test_what_it_ignores_of_strangers_tells_nothing() -> None:
    one = Replies()
    for second in range(1000):
        one.asked(second * S, relieved=False)
        assert not one.stalled(second * S)


def test_a_request_that_we_drop_is_not_waited_for() -> None:
    one = Replies()
    one.asked(10 * S, relieved=True)
    one.dropped(10 * S)
    assert not one.stalled(100 * S)


def test_another_request_is_still_waited_for_when_one_is_dropped() -> None:
    one = Replies()
    one.asked(10 * S, relieved=True)
    one.asked(11 * S, relieved=True)
    one.dropped(11 * S)
    assert one.stalled(20 * S)


def test_it_is_blind_after_many_requests_over_a_while_without_any_answer() -> None:
    one = Replies()
    for number in range(BLIND_REQUESTS):
        assert not one.blind(10 * S + BLIND + 1)
        one.asked(10 * S + number, relieved=False)
    assert not one.blind(10 * S + BLIND)
    assert one.blind(10 * S + BLIND + 1)
    one.answered()
    assert not one.blind(1000 * S)
