import pytest

from sipsensor.fastpath.ranges import Networks
from sipsensor.model import Arrival, Direction
from sipsensor.track.direction import Directions
from tests.support.packets import LINK_RAW, PBX, STRANGER, datagram, message
from tests.support.scanning import PLAIN

IN, OUT = Direction.INBOUND, Direction.OUTBOUND
OTHER_PBX = "192.0.2.11"


def direction(
    src: str, dst: str, arrival: Arrival, *, is_request: bool, protected: tuple[str, ...] = (PBX, OTHER_PBX)
) -> int:
    examined = PLAIN.examine_raw(datagram(message(), src, dst), LINK_RAW, 0, arrival=arrival)
    return Directions(Networks(protected)).of(examined, is_request=is_request)


@pytest.mark.parametrize("is_request", [True, False])
@pytest.mark.parametrize(("src", "dst"), [(STRANGER, PBX), (PBX, STRANGER), (PBX, OTHER_PBX), (STRANGER, "10.0.0.1")])
def test_live_the_hook_decides_whatever_the_addresses_are(src: str, dst: str, *, is_request: bool) -> None:
    assert direction(src, dst, Arrival.INBOUND, is_request=is_request) == IN
    assert direction(src, dst, Arrival.OUTBOUND, is_request=is_request) == OUT
    assert direction(src, dst, Arrival.FORGED, is_request=is_request) == IN


@pytest.mark.parametrize("is_request", [True, False])
def test_on_replay_the_protected_end_decides(*, is_request: bool) -> None:
    assert direction(STRANGER, PBX, Arrival.UNKNOWN, is_request=is_request) == IN
    assert direction(PBX, STRANGER, Arrival.UNKNOWN, is_request=is_request) == OUT


@pytest.mark.parametrize(("src", "dst"), [(PBX, OTHER_PBX), (STRANGER, "10.0.0.1")])
def test_where_both_or_neither_are_requests_come_in_and_responses_go_out(src: str, dst: str) -> None:
    assert direction(src, dst, Arrival.UNKNOWN, is_request=True) == IN
    assert direction(src, dst, Arrival.UNKNOWN, is_request=False) == OUT


def test_where_nothing_is_protected_too() -> None:
    assert direction(PBX, STRANGER, Arrival.UNKNOWN, is_request=True, protected=()) == IN
    assert direction(STRANGER, PBX, Arrival.UNKNOWN, is_request=False, protected=()) == OUT
