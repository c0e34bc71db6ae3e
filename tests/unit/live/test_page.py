import os

from sipsensor.live.page import LANE_NUMBERS, Lane, LaneNumber, Number, Page
from sipsensor.model import Mode


def test_numbers_are_shared_over_fork() -> None:
    page = Page()
    child = os.fork()
    if child == 0:
        page[Number.RESTARTS] = 7
        page.lane(Lane.TRUSTED)[LaneNumber.UDP] = 2**63
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert page[Number.RESTARTS] == 7
    assert page.of(Lane.TRUSTED, LaneNumber.UDP) == 2**63
    assert page.of(Lane.STRANGERS, LaneNumber.UDP) == 0


def test_no_two_numbers_share_a_place() -> None:
    lanes = {lane * LANE_NUMBERS + number for lane in Lane for number in LaneNumber}
    assert len(lanes) == len(Lane) * len(LaneNumber)
    assert not lanes & set(Number)
    assert max(Number) * 8 < Page.SIZE


def test_mode_and_why_it_fell_are_shared_and_nothing_at_first() -> None:
    page = Page()
    assert (page.mode, page.tripped) == (None, "")
    child = os.fork()
    if child == 0:
        page.mode = Mode.ENFORCE
        page.tripped = "9 of 10 phones \u2014 gone"
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert (page.mode, page.tripped) == (Mode.ENFORCE, "9 of 10 phones \u2014 gone")
    page.tripped = "x" * 5000
    assert page.tripped == "x" * 1024
    page.tripped = ""
    assert page.tripped == ""
    assert list(page.numbers[: max(Number)]).count(0) == max(Number) - 1
