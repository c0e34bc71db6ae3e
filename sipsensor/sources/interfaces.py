"""Where this machine's protected side is: its own addresses, and the interfaces behind which protected hosts sit."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

from sipsensor.config.errors import ConfigError

FIB_TRIE = Path("/proc/net/fib_trie")
IF_INET6 = Path("/proc/net/if_inet6")

_LOCAL = re.compile(r"^ *\|-- ([0-9.]+)\n(?: +/(?!32 host LOCAL).*\n)* +/32 host LOCAL$", re.MULTILINE)
_SECONDS = 5
_HOSTS_TRIED = 16  # the first addresses of a network are often the gateway's own


def own_addresses() -> tuple[str, ...]:
    """The addresses of this network namespace that others can send to, loopback left out. Runs no tool: a live sensor asks again and again.

    Of the kernel's own listings: the local entries of the routing table's trie, and the interfaces' IPv6 addresses. Empty where there is
    no /proc.
    """
    four = _LOCAL.findall(_text(FIB_TRIE))
    six = [line.split()[0] for line in _text(IF_INET6).splitlines()]
    found = [ip_address(text) for text in four] + [ip_address(int(text, 16).to_bytes(16, "big")) for text in six]
    return tuple(dict.fromkeys(str(address) for address in found if not address.is_loopback))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except OSError:
        return ""


def inside_interfaces(named: Sequence[str], protected: Sequence[str]) -> tuple[int, ...]:
    """The numbers of the interfaces that lead to the protected hosts: those named, or without names those that the routes choose.

    Raises ConfigError when a named one does not exist, a protected network has no route, or its route leads nowhere but here.
    """
    return tuple(dict.fromkeys(_number(name) for name in _names(named, protected)))


def inside_names(named: Sequence[str], protected: Sequence[str]) -> tuple[str, ...]:
    """The same as names, for rules that have to hold when an interface comes back under another number. Raises as that."""
    names = tuple(dict.fromkeys(_names(named, protected)))
    for name in names:
        _number(name)
    return names


def loopback() -> tuple[int, ...]:
    """The number of the loopback interface, in the form of ``inside_interfaces``."""
    return (_number("lo"),)


def _names(named: Sequence[str], protected: Sequence[str]) -> list[str]:
    return list(named) or [_inside_of(network) for network in protected]


def _inside_of(network: str) -> str:
    """The interface towards a network, which must not be the one towards everybody: what entered there would be taken for the PBX's.

    That is where a network leads whose own route is gone: its cable is out, or its interface is not up yet.
    """
    device = _interface_towards(network)
    if device in _towards_everybody(ip_network(network, strict=False).version):
        raise _fault(
            "protected",
            f"{network} lies behind {device} as the default route does, so nobody there could be told from the PBX; "
            "correct the route, or name the interface in network.inside",
        )
    return device


def _towards_everybody(version: int) -> set[str]:
    """The interfaces of the default routes, those of several paths included."""
    routes = _ip(f"-{version}", "route", "show", "default")
    hops = [hop for route in routes for hop in (route, *route.get("nexthops", ()))]
    return {str(hop["dev"]) for hop in hops if "dev" in hop}


def _interface_towards(network: str) -> str:
    """By the route to a network's first host that is not this machine: the whole network is taken to lie that way."""
    parsed = ip_network(network, strict=False)
    first = 0 if parsed.num_addresses == 1 else 1
    device = ""
    for offset in range(first, min(first + _HOSTS_TRIED, parsed.num_addresses)):
        routes = _ip("route", "get", str(parsed[offset]))
        device = str(routes[0].get("dev", "")) if routes else ""
        if device != "lo":
            break
    if not device:
        raise _fault("protected", f"no route leads to {network}; correct it, or name the interface in network.inside")
    if device == "lo":
        raise _fault(
            "protected", f'{network} is this machine itself; set network.placement = "host", or network.inside'
        )
    return device


def _number(name: str) -> int:
    try:
        return socket.if_nametoindex(name)
    except OSError:
        raise _fault("inside", f"there is no interface {name}; see ip link for their names") from None


def _ip(*arguments: str) -> list[dict[str, Any]]:
    path = shutil.which("ip") or shutil.which("ip", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if path is None:
        raise _fault("inside", "the command ip is not installed; install iproute2")
    try:
        done = subprocess.run(  # noqa: S603
            [path, "-j", *arguments],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            start_new_session=True,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _fault(
            "inside", f"ip {' '.join(arguments)} did not finish within {_SECONDS} s; name the interfaces"
        ) from None
    if done.returncode != 0:
        return []
    try:
        return list(json.loads(done.stdout or "[]"))
    except ValueError:
        raise _fault("inside", f"ip {' '.join(arguments)} gave no readable answer; name the interfaces") from None


def _fault(key: str, text: str) -> ConfigError:
    return ConfigError([f"network.{key}: {text}"])
