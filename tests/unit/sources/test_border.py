"""How a packet reached us, as the pump asks for each."""

from __future__ import annotations

import pytest

from sipsensor.fastpath.examine import Examined
from sipsensor.fastpath.ranges import Networks
from sipsensor.model import Arrival
from sipsensor.sources.border import Border
from tests.unit.sources.kernel import HOOK_FORWARD, HOOK_IN, HOOK_OUT, PBX, Bench, ip, queued


@pytest.mark.parametrize(
    ("source", "hook", "indev", "arrival"),
    [
        ("203.0.113.5", HOOK_IN, 7, Arrival.INBOUND),
        (PBX, HOOK_OUT, 0, Arrival.OUTBOUND),
        ("203.0.113.5", HOOK_OUT, 0, Arrival.OUTBOUND),
        ("203.0.113.5", HOOK_FORWARD, 7, Arrival.INBOUND),
        (PBX, HOOK_FORWARD, 3, Arrival.OUTBOUND),
        (PBX, HOOK_FORWARD, 7, Arrival.FORGED),
        ("2001:db8::10", HOOK_FORWARD, 7, Arrival.FORGED),
        ("2001:db8::10", HOOK_FORWARD, 3, Arrival.OUTBOUND),
        ("2001:db8::11", HOOK_FORWARD, 7, Arrival.INBOUND),
        (PBX, HOOK_IN, 7, Arrival.FORGED),
        (PBX, HOOK_IN, 3, Arrival.INBOUND),
    ],
)
def test_arrival_goes_by_hook_and_interface(
    bench: Bench, judged: list[Examined], source: str, hook: int, indev: int, arrival: Arrival
) -> None:
    bench.pump.feed(queued(1, ip(source), hook, indev))
    assert Arrival(judged[0].arrival) is arrival
    assert bench.pump.forged == (arrival is Arrival.FORGED)


def test_inside_interfaces_can_change_while_it_runs(bench: Bench, judged: list[Examined]) -> None:
    bench.pump.set_inside([8, 9])
    bench.pump.feed(queued(1, ip(PBX), HOOK_FORWARD, 9))
    bench.pump.feed(queued(2, ip(PBX), HOOK_FORWARD, 3))
    assert [Arrival(examined.arrival) for examined in judged] == [Arrival.OUTBOUND, Arrival.FORGED]
    with pytest.raises(ValueError, match="at most 64"):
        bench.pump.set_inside(range(65))


def test_a_packet_too_short_for_a_source_is_nobodys(bench: Bench, judged: list[Examined]) -> None:
    for number, packet in enumerate((b"", b"\x45", ip(PBX)[:15], ip("2001:db8::10")[:23])):
        bench.pump.feed(queued(number, packet))
    assert [examined.arrival for examined in judged] == [Arrival.INBOUND] * 4
    assert bench.pump.forged == 0


def test_the_protected_can_change_while_it_runs(bench: Bench, judged: list[Examined]) -> None:
    bench.pump.set_protected(Networks(["203.0.113.5/32"]))
    bench.pump.feed(queued(1, ip(PBX)) + queued(2, ip("203.0.113.5")) + queued(3, ip(PBX), HOOK_FORWARD, 3))
    assert [Arrival(each.arrival) for each in judged] == [Arrival.INBOUND, Arrival.FORGED, Arrival.OUTBOUND]


def test_a_border_says_what_it_is_made_of() -> None:
    border = Border(Networks(["192.0.2.0/25", "192.0.2.128/25"]), [5, 3])
    assert border.protected.texts == ("192.0.2.0/24",)
    assert border.inside == (5, 3)
    assert len(Border(Networks(), range(64)).inside) == 64
    with pytest.raises(ValueError, match="at most 64 inside interfaces, not 65"):
        Border(Networks(), range(65))
    with pytest.raises(OverflowError):
        Border(Networks(), [2**32])
