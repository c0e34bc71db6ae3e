from hypothesis import given
from hypothesis import strategies as st

from sipsensor.live.reckoning import Reckoning, Sums

NOTHING = Sums(0, 0, 0, 0, 0, 0, 0, 0)


def test_what_was_received_dropped_or_waits_is_not_uninspected() -> None:
    reckoning = Reckoning()
    reckoning.restart(NOTHING)
    assert reckoning.add(NOTHING._replace(ruled_udp=10, received_udp=7, lost=2, waiting=1)) == 0
    assert reckoning.add(NOTHING._replace(ruled_udp=15, received_udp=8, lost=2)) == 5


def test_packets_of_a_hung_sensor_count_when_they_pass() -> None:
    reckoning = Reckoning()
    reckoning.restart(NOTHING)
    # Ten came: three judged, one stuck in the judge, six never received. All but one of the six were dropped, the stuck one passed.
    assert reckoning.add(NOTHING._replace(ruled_udp=10, received_udp=4, drained_dropped=5, stuck_accepted=1)) == 2


def test_it_never_goes_back_and_goes_on_over_new_rules() -> None:
    reckoning = Reckoning(3)
    reckoning.restart(NOTHING)
    assert reckoning.add(NOTHING._replace(ruled_udp=4)) == 7
    assert reckoning.add(NOTHING._replace(ruled_udp=4, received_udp=2)) == 7
    # The rules were flushed and made anew; two packets that met the old ones still wait.
    reckoning.restart(NOTHING._replace(received_udp=2, waiting=2))
    assert reckoning.add(NOTHING._replace(received_udp=4)) == 7
    assert reckoning.add(NOTHING._replace(ruled_udp=1, received_udp=4)) == 8


def test_large_tcp_packets_that_the_kernel_cut_hide_no_udp() -> None:
    reckoning = Reckoning()
    reckoning.restart(NOTHING)
    assert reckoning.add(NOTHING._replace(ruled_other=1, received_other=40, ruled_udp=6, received_udp=1)) == 5


FATES = st.lists(st.sampled_from(["judged", "lost", "passed", "drained", "stuck"]))


@given(FATES, FATES)
def test_whatever_becomes_of_packets_the_sum_is_exact_when_nothing_waits(before: list[str], after: list[str]) -> None:
    def sums(fates: list[str], ruled: int) -> Sums:
        return Sums(
            ruled_udp=ruled,
            ruled_other=0,
            received_udp=fates.count("judged") + fates.count("stuck"),
            received_other=0,
            lost=fates.count("lost"),
            waiting=0,
            drained_dropped=fates.count("drained"),
            stuck_accepted=fates.count("stuck"),
        )

    reckoning = Reckoning()
    reckoning.restart(NOTHING)
    first = reckoning.add(sums(before, len(before)))
    assert first == before.count("passed") + before.count("stuck")
    reckoning.restart(sums(before, 0))
    both = before + after
    assert reckoning.add(sums(both, len(after))) == both.count("passed") + both.count("stuck")
