"""Which interfaces lead inside, from what iproute2 says."""

from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path

import pytest

from sipsensor.config.errors import ConfigError
from sipsensor.sources import interfaces

ROUTES = {
    "192.0.2.1": "lo",
    "192.0.2.2": "lo",
    "192.0.2.3": "lan0",
    "198.51.100.7": "lan1",
    "2001:db8::1": "lan0",
    "203.0.113.1": "lo",
    "192.88.99.1": "wan0",
    "2001:db8:9::1": "wan1",
    "2001:db8:8::1": "wan0",
}
DEFAULTS = {"-4": [{"dst": "default", "dev": "wan0"}], "-6": [{"dst": "default", "nexthops": [{"dev": "wan1"}, {}]}]}
NUMBERS = {"lo": 1, "lan0": 5, "lan1": 6, "wan0": 7, "wan1": 8}


@pytest.fixture(autouse=True)
def iproute2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A command ``ip`` that knows ROUTES, and an address list."""
    addresses = [
        {"ifname": "lo", "addr_info": [{"local": "127.0.0.1"}, {"local": "::1"}]},
        {"ifname": "lan0", "addr_info": [{"local": "192.0.2.1"}, {"local": "fe80::1"}, {}]},
        {"ifname": "lan1", "addr_info": [{"local": "192.0.2.1"}]},
        {"ifname": "lan2"},
    ]
    tool = tmp_path / "ip"
    tool.write_text(
        "#!/usr/bin/env python3\n"
        "import json, sys\n"
        f"routes, addresses, defaults = {ROUTES!r}, {json.dumps(addresses)}, {DEFAULTS!r}\n"
        "if sys.argv[2] == 'addr':\n    print(json.dumps(addresses))\n"
        "elif sys.argv[3:] == ['route', 'show', 'default']:\n    print(json.dumps(defaults[sys.argv[2]]))\n"
        "elif sys.argv[4] in routes:\n    print(json.dumps([{'dst': sys.argv[4], 'dev': routes[sys.argv[4]]}]))\n"
        "elif sys.argv[4].startswith('203.0.113.'):\n    print(json.dumps([{'dev': 'lo'}]))\n"
        "else:\n    sys.exit('RTNETLINK answers: Network is unreachable')\n"
    )
    tool.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda *_, **__: str(tool))

    def number(name: str) -> int:
        if name not in NUMBERS:
            raise OSError("no such device")
        return NUMBERS[name]

    monkeypatch.setattr(socket, "if_nametoindex", number)
    return tool


def test_named_interfaces_are_taken_as_they_are() -> None:
    assert interfaces.inside_interfaces(["lan1", "lan0", "lan1"], ["192.0.2.0/24"]) == (6, 5)


def test_without_names_the_routes_tell_and_our_own_addresses_are_passed_over() -> None:
    assert interfaces.inside_interfaces([], ["192.0.2.0/24", "198.51.100.7", "2001:db8::/64"]) == (5, 6)


def test_an_operator_may_name_the_interface_of_the_default_route() -> None:
    assert interfaces.inside_names(["wan0"], ["192.88.99.1"]) == ("wan0",)


def test_the_default_route_of_the_other_ip_version_is_no_matter() -> None:
    assert interfaces.inside_names([], ["2001:db8:8::1"]) == ("wan0",)


def test_interfaces_have_names_for_rules_that_outlive_a_number() -> None:
    assert interfaces.inside_names(["lan1", "lan0", "lan1"], ["192.0.2.0/24"]) == ("lan1", "lan0")
    assert interfaces.inside_names([], ["192.0.2.0/24", "198.51.100.7", "2001:db8::1"]) == ("lan0", "lan1")
    with pytest.raises(ConfigError, match=r"network\.inside: there is no interface nope0"):
        interfaces.inside_names(["nope0"], [])


@pytest.mark.parametrize(
    ("named", "protected", "expected"),
    [
        (["nope0"], [], "network.inside: there is no interface nope0"),
        ([], ["100.64.0.0/10"], "network.protected: no route leads to 100.64.0.0/10"),
        ([], ["203.0.113.0/24"], "network.protected: 203.0.113.0/24 is this machine itself"),
        ([], ["192.0.2.1"], "network.protected: 192.0.2.1 is this machine itself"),
        (
            [],
            ["192.0.2.0/24", "192.88.99.1"],
            "network.protected: 192.88.99.1 lies behind wan0 as the default route does",
        ),
        ([], ["2001:db8:9::/64"], "network.protected: 2001:db8:9::/64 lies behind wan1 as the default route does"),
    ],
)
def test_what_cannot_be_found_is_said(named: list[str], protected: list[str], expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        interfaces.inside_interfaces(named, protected)
    assert str(caught.value).startswith(expected)
    assert "\n" not in str(caught.value)


TRIE = """Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
        |-- 127.0.0.1
           /32 host LOCAL
     |-- 192.0.2.0
        /24 link UNICAST
     |-- 192.0.2.1
        /24 link UNICAST
        /32 host LOCAL
     |-- 192.0.2.255
        /32 link BROADCAST
Local:
     |-- 192.0.2.1
        /32 host LOCAL
     |-- 198.51.100.7
        /32 host LOCAL
"""
SIX = "00000000000000000000000000000001 01 80 10 80       lo\nfe800000000000000000000000000001 02 40 20 80     eth0\n"


def test_own_addresses_leave_loopback_out_and_come_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in (("FIB_TRIE", TRIE), ("IF_INET6", SIX)):
        (tmp_path / name).write_text(text)
        monkeypatch.setattr(interfaces, name, tmp_path / name)
    assert interfaces.own_addresses() == ("192.0.2.1", "198.51.100.7", "fe80::1")
    monkeypatch.setattr(interfaces, "IF_INET6", tmp_path / "nowhere")
    assert interfaces.own_addresses() == ("192.0.2.1", "198.51.100.7")


def test_loopback_has_a_number() -> None:
    assert interfaces.loopback() == (1,)


def test_a_tool_that_is_missing_hangs_or_babbles(iproute2: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    iproute2.write_text("#!/bin/sh\necho nonsense\n")
    with pytest.raises(ConfigError, match="no readable answer"):
        interfaces.inside_names([], ["192.0.2.9"])
    monkeypatch.setattr(interfaces, "_SECONDS", 0.2)
    iproute2.write_text("#!/bin/sh\nexec sleep 5\n")
    with pytest.raises(ConfigError, match=r"did not finish within 0\.2 s"):
        interfaces.inside_names([], ["192.0.2.9"])
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(ConfigError, match="install iproute2"):
        interfaces.inside_names([], ["192.0.2.9"])
