from collections.abc import Sequence

from sipsensor.detect.kinds import KindTable, kinds_of
from sipsensor.model import KIND_WHATS, KINDS, AppProtocol, Direction, Interest, Standing, When, kind_of
from tests.support.engines import Watcher

SIP, IN, OUT, STRANGER, TRUSTED = (
    AppProtocol.SIP,
    Direction.INBOUND,
    Direction.OUTBOUND,
    Standing.STRANGER,
    Standing.TRUSTED,
)
INVITE_IN = kind_of(SIP, IN, STRANGER, 0)


def table(*interests: Sequence[Interest]) -> tuple[KindTable, list[Watcher]]:
    watchers = [Watcher(interests=each) for each in interests]
    return KindTable(watchers), watchers


def test_none_means_all_of_a_part() -> None:
    assert sum(1 for _ in kinds_of(Interest(When.JUDGE, SIP))) == KINDS // 2
    assert set(kinds_of(Interest(When.JUDGE, SIP, IN, [0], [STRANGER]))) == {INVITE_IN}
    assert set(kinds_of(Interest(When.JUDGE, SIP, None, [3, 4], [TRUSTED]))) == {
        kind_of(SIP, direction, TRUSTED, what) for direction in Direction for what in (3, 4)
    }
    assert set(kinds_of(Interest(When.JUDGE, SIP, OUT, None, [STRANGER]))) == {
        kind_of(SIP, OUT, STRANGER, what) for what in range(KIND_WHATS)
    }


def test_each_kind_has_its_judges_and_learners_in_the_order_of_the_list() -> None:
    judge, learn = (Interest(When.JUDGE, SIP, IN, [0]),), (Interest(When.LEARN, SIP, IN, [0]),)
    kinds, (one, two, three) = table(judge, learn, judge)
    assert kinds.judges[INVITE_IN] == (one, three)
    assert kinds.learners[INVITE_IN] == (two,)


def test_a_kind_that_nobody_judges_is_quiet() -> None:
    kinds, _ = table((Interest(When.JUDGE, SIP, IN, [0]),), (Interest(When.LEARN, SIP),))
    assert not kinds.quiet(INVITE_IN)
    assert kinds.quiet(kind_of(SIP, IN, STRANGER, 1))
    assert kinds.quiet(kind_of(SIP, OUT, STRANGER, 0))
    assert kinds.quiet(kind_of(AppProtocol.IAX2, IN, STRANGER, 0))


def test_who_judges_a_kind_does_not_learn_from_it_as_well() -> None:
    both = (Interest(When.LEARN, SIP), Interest(When.JUDGE, SIP, IN, [0]), Interest(When.LEARN, SIP, IN))
    kinds, (watcher,) = table(both)
    assert kinds.judges[INVITE_IN] == (watcher,)
    assert kinds.learners[INVITE_IN] == ()
    assert kinds.learners[kind_of(SIP, IN, STRANGER, 1)] == (watcher,)


def test_without_detectors_everything_is_quiet() -> None:
    kinds, _ = table()
    assert all(kinds.quiet(kind) for kind in range(KINDS))
