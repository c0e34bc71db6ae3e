import pytest

from sipsensor.decide.score import Scores, Scoring
from sipsensor.model import NANOSECONDS, Action, Alert, Confidence, Family, Observation, Reason, Rule
from tests.support.packets import message
from tests.support.scanning import examine


def medium(
    severity: int = 3, number: int = 1001, detector: str = "scanner", sure: Confidence = Confidence.MEDIUM
) -> Rule:
    return Rule(
        number, "scanner.x.y", "x", Family.SCANNER, severity, sure, Action.ALERT, Reason.SIGNATURE, detector=detector
    )


def seen(seconds: float = 0, *, port_key: int = 7, relieved: bool = False) -> Observation:
    observation = Observation(None, examine(message()), 0, 0, 0, 0)
    observation.ts = int(seconds * NANOSECONDS)
    observation.port_key, observation.relieved = port_key, relieved
    return observation


def add(scores: Scores, observation: Observation, *rules: Rule) -> Alert | None:
    return scores.add(observation, [Alert(rule, observation) for rule in rules or (medium(),)])


def test_one_medium_signature_drops_nothing_and_the_third_in_a_short_time_does() -> None:
    scores = Scores(Scoring(enough=60, half_life=600))
    assert add(scores, seen(0)) is None
    assert add(scores, seen(1)) is None
    assert add(scores, seen(2)) is None  # a little has run out
    tipped = add(scores, seen(3))
    assert tipped is not None
    assert 78 <= tipped.score <= 80


def test_points_halve() -> None:
    scores = Scores(Scoring(half_life=600))
    add(scores, seen(0), medium(1))
    assert scores.points(7, 0) == pytest.approx(40)
    assert scores.points(7, 600 * NANOSECONDS) == pytest.approx(20)
    assert scores.points(7, 1200 * NANOSECONDS) == pytest.approx(10)
    assert scores.points(8, 0) == 0
    assert scores.points(7, 600 * 20 * NANOSECONDS) == 0


def test_a_slow_sender_never_reaches_it() -> None:
    scores = Scores()
    assert all(add(scores, seen(number * 1200), medium(2)) is None for number in range(100))


def test_several_in_one_packet_are_enough_and_the_worst_answers() -> None:
    scores = Scores(Scoring(enough=60))
    tipped = add(scores, seen(), medium(4, 1001), medium(1, 1002), medium(2, 1003))
    assert tipped is not None
    assert (tipped.rule.id, tipped.score) == (1002, 80)


def test_only_medium_signatures_count() -> None:
    scores = Scores(Scoring(enough=1))
    assert add(scores, seen(), medium(sure=Confidence.LOW), medium(sure=Confidence.HIGH)) is None
    assert add(scores, seen(), medium(detector="malformed"), medium(detector="flood")) is None
    assert scores.table.fill == 0


def test_each_address_and_port_has_its_own() -> None:
    scores = Scores(Scoring(enough=60))
    for _ in range(10):
        add(scores, seen(port_key=7))
    assert add(scores, seen(port_key=8)) is None


def test_who_is_relieved_is_not_dropped_for_it() -> None:
    scores = Scores(Scoring(enough=1))
    assert add(scores, seen(relieved=True), medium(1)) is None


def test_it_is_bounded() -> None:
    scores = Scores(capacity=64)
    for key in range(1, 1000):
        add(scores, seen(port_key=key))
    (table,) = scores.tables()
    assert (table.name, table.entries, table.capacity) == ("scores", 64, 64)
