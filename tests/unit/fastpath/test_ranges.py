import ipaddress

import pytest

from sipsensor.fastpath.ranges import Networks
from tests.support.packets import wide


def test_networks_hold_their_first_and_last_address_and_nothing_beside() -> None:
    networks = Networks(["10.1.2.0/24", "2001:db8::/126", "192.0.2.7"])
    inside = ["10.1.2.0", "10.1.2.255", "2001:db8::", "2001:db8::3", "192.0.2.7"]
    outside = ["10.1.1.255", "10.1.3.0", "2001:db7:ffff::", "2001:db8::4", "192.0.2.6", "192.0.2.8", "::", "0.0.0.0"]
    assert [text for text in inside + outside if networks.contains(wide(text))] == inside


def test_networks_are_merged_and_told_as_text() -> None:
    networks = Networks(["10.0.0.0/9", "10.128.0.0/9", "10.5.0.0/16", "2001:db8::1/32"])
    assert networks.texts == ("10.0.0.0/8", "2001:db8::/32")
    assert len(networks) == 2


def test_no_networks_hold_nothing() -> None:
    networks = Networks()
    assert not networks
    assert not networks.contains(wide("10.0.0.1"))


def test_everything_of_both_families() -> None:
    networks = Networks(["0.0.0.0/0", "::/0"])
    assert all(networks.contains(wide(text)) for text in ("0.0.0.0", "255.255.255.255", "::", "2001:db8::1", "ffff::"))


def test_all_of_one_family_is_none_of_the_other() -> None:
    assert not Networks(["::/0"]).contains(wide("10.0.0.1"))
    assert Networks(["::/0"]).contains(wide("2001:db8::1"))
    assert not Networks(["0.0.0.0/0"]).contains(wide("2001:db8::1"))


def test_a_wide_network_does_not_hide_behind_one_that_starts_later() -> None:
    networks = Networks(["::/0", "10.0.0.0/8"])
    assert networks.contains(wide("2001:db8::1"))
    assert networks.contains(wide("::1"))
    assert networks.contains(wide("10.0.0.1"))
    assert not networks.contains(wide("11.0.0.1"))


def test_ipv4_in_its_mapped_form_is_ipv4() -> None:
    networks = Networks(["::ffff:10.0.0.0/104"])
    assert networks.texts == ("10.0.0.0/8",)
    assert networks.contains(wide("10.255.0.1"))


@pytest.mark.parametrize("text", ["", "pbx.example.com", "10.0.0.0/33", "10.0.0.256"])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Networks([text])


def test_what_is_no_address_is_in_no_network() -> None:
    assert not Networks(["0.0.0.0/0"]).contains(ipaddress.ip_address("10.0.0.1").packed)
