from sipsensor.enforce.rules.plan import networks
from tests.unit.enforce.rules.conftest import GATEWAY, HOST


def test_the_two_bits_are_told_apart_wherever_they_stand() -> None:
    assert (HOST.trusted_bit, HOST.skip_bit, HOST.others_bits) == (0x10000000, 0x20000000, 0xCFFFFFFF)
    assert (GATEWAY.trusted_bit, GATEWAY.skip_bit, GATEWAY.others_bits) == (1, 2, 0xFFFFFFFC)


def test_the_trusted_queue_is_the_next_one() -> None:
    assert GATEWAY.queues == (7, 8)


def test_networks_of_a_version_hold_nothing_twice() -> None:
    given = ("10.1.0.0/16", "10.0.0.0/8", "2001:db8::1", "192.0.2.7", "192.0.2.6/31")
    assert networks(given, 4) == ("10.0.0.0/8", "192.0.2.6/31")
    assert networks(given, 6) == ("2001:db8::1/128",)
