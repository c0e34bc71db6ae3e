from sipsensor.export.events.volume import VolumeCap
from sipsensor.model import NANOSECONDS, Limit, Table

SEED = bytes(16)


def test_so_many_events_and_no_more() -> None:
    cap = VolumeCap(Limit(3, 60), SEED)
    assert [cap.admit("192.0.2.1", "a.b", 0) for _ in range(5)] == [0, 0, 0, -1, -1]
    assert cap.left_out == 2


def test_the_next_event_says_how_many_were_left_out() -> None:
    cap = VolumeCap(Limit(2, 10), SEED)
    for _ in range(7):
        cap.admit("192.0.2.1", "a.b", 0)
    assert cap.admit("192.0.2.1", "a.b", 100 * NANOSECONDS) == 5
    assert cap.admit("192.0.2.1", "a.b", 100 * NANOSECONDS) == 0


def test_sources_and_rules_have_caps_of_their_own() -> None:
    cap = VolumeCap(Limit(1, 60), SEED)
    assert cap.admit("192.0.2.1", "a.b", 0) == 0
    assert cap.admit("192.0.2.2", "a.b", 0) == 0
    assert cap.admit("192.0.2.1", "a.c", 0) == 0
    assert cap.admit("192.0.2.1", "a.b", 0) == -1


def test_silence_settles_what_is_open_once() -> None:
    cap = VolumeCap(Limit(1, 60), SEED)
    for second in range(4):
        cap.admit("192.0.2.1", "a.b", second * NANOSECONDS)
    assert list(cap.settled(30 * NANOSECONDS)) == []
    (left,) = cap.settled(64 * NANOSECONDS)
    assert (left.source, left.rule, left.events) == ("192.0.2.1", "a.b", 3)
    assert (left.since, left.until) == (1 * NANOSECONDS, 3 * NANOSECONDS)
    assert list(cap.settled(200 * NANOSECONDS)) == []


def test_memory_is_bounded_and_nothing_goes_uncounted() -> None:
    cap = VolumeCap(Limit(1, 60), SEED, sources=64)
    for number in range(10_000):
        for _ in range(2):
            cap.admit(f"10.0.{number >> 8}.{number & 255}", "a.b", 0)
    assert cap.left_out > 5_000
    assert cap.tables() == (Table("event_volume", 64, 64, 10_000 - 64),)
    assert len(list(cap.settled(1 << 62))) <= 64
