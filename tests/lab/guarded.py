"""A network whose PBX a sensor guards in enforce mode, with as many addresses outside as a test wants: one for all tests of a module.

Each test gets a place of its own: a network outside that nobody used before, and an account that only it uses. So what one test spends
of a budget is no other's loss, and the sensor is started once.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab.arrivals import Arrivals
from tests.lab.network import ATTACKER, Network, network
from tests.lab.pbx import kamailio
from tests.lab.sensor import GATEWAY, Running, sensor
from tests.lab.softphone import Softphone, addresses

OWN_NONCES = "-A OWN_NONCES"
"""For Kamailio: no two sources get the same nonce, however close together they ask."""
FORGED = "198.19.0.0/16"
"""From here nobody real sends."""


def secret(account: str) -> str:
    """The password of one of Kamailio's accounts 3000 to 3999."""
    return f"Vr8-heron-{account}"


@dataclass
class Place:
    """A network outside, 198.18.NUMBER.0/24, and an account."""

    network: Network
    number: int
    _phones: list[Softphone] = field(default_factory=list)

    @property
    def account(self) -> str:
        return f"{3000 + self.number}"

    def address(self, host: int) -> str:
        """One of its addresses, 1 to 200."""
        return f"198.18.{self.number}.{host}"

    def phone(self, host: int = 1, port: int = 0, account: str = "", password: str = "") -> Softphone:
        """A phone there, with the right password unless told another."""
        account = account or self.account
        made = Softphone(self.network.outside, (self.address(host), port), account, password or secret(account))
        self._phones.append(made)
        return made

    def close(self) -> None:
        for phone in self._phones:
            phone.close()


@dataclass
class Guarded:
    """The network, its sensor, and whoever counts what comes to the PBX."""

    network: Network
    running: Running
    arrivals: Arrivals
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @contextlib.contextmanager
    def place(self, hosts: Sequence[int] = (1, 2)) -> Iterator[Place]:
        """A place with so many addresses; everything that came to the PBX before is forgotten."""
        made = Place(self.network, next(self._numbers))
        with addresses(self.network.outside, [made.address(host) for host in hosts], 32):
            self.arrivals.forget()
            try:
                yield made
            finally:
                made.close()


@contextlib.contextmanager
def guarded(folder: Path, options: str = OWN_NONCES, more: str = "") -> Iterator[Guarded]:
    """A network with Kamailio (``options``), on its gateway a sensor (``more`` of its configuration)."""
    with network() as made, kamailio(made.pbx, folder, options), guard(made, folder, more) as site:
        yield site


@contextlib.contextmanager
def guard(made: Network, folder: Path, more: str = "") -> Iterator[Guarded]:
    """That network with the PBX that it has, and on its gateway a sensor (``more`` of its configuration)."""
    route_everybody(made)
    with sensor(made.gateway, folder, GATEWAY + more) as running, Arrivals(made.pbx) as arrivals:
        yield Guarded(made, running, arrivals)


def route_everybody(made: Network) -> None:
    """The answers to all these addresses go outside."""
    made.gateway.run(f"ip route add 198.18.0.0/15 via {ATTACKER[4]}")
    made.outside.run(f"ip route add blackhole {FORGED}")
