"""Who is there while floods are sent in the name of others, what is sent, and what must stand afterwards: with Kamailio and with Asterisk."""

from __future__ import annotations

import contextlib
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.lab.guarded import Guarded, Place
from tests.lab.send import SCANNER
from tests.lab.sensor import Running
from tests.lab.softphone import AGENT, Challenge, Forger, Softphone, request

TRUNK, PHONE, STRANGER, ELSEWHERE, LIAR = 1, 2, 3, 4, 5
"""Hosts of the one place."""
NAMES = 200
OK, NOT_FOUND = 200, 404

# Accounts that register once and never again are what the safety net looks for; it has tests of its own.
SETTINGS = '[trust]\ntrunks = ["198.18.1.1"]\n[safety]\nshare = 0\n'
"""Of the sensor's configuration: the trunk of a site's first place."""

End = tuple[str, int]


@dataclass
class Scene:
    """Who is there. ``ends`` are those in whose names is sent."""

    site: Guarded
    place: Place
    trunk: Softphone
    phone: Softphone
    accounts: Iterator[str]

    @property
    def ends(self) -> list[End]:
        return [self.trunk.end, self.phone.end, (self.place.address(STRANGER), 5060)]

    def works(self) -> None:
        """All three: the trunk asks and calls, the phone registers and calls, a stranger registers, with an account that the PBX
        knows from elsewhere and with one that nobody ever used.
        """
        assert self.trunk.works("OPTIONS"), "the trunk's question"
        assert self.trunk.works("INVITE"), "the trunk's call"
        _gets(self.phone, OK)
        _gets(self.phone, NOT_FOUND, "INVITE")
        for account in (next(self.accounts), self.place.account):
            with self.place.phone(STRANGER, account=account) as stranger:
                _gets(stranger, OK)


def _gets(phone: Softphone, wanted: int, method: str = "REGISTER") -> None:
    got = phone.works(method)
    assert got == wanted, f"{method} of {phone.account} at {phone.end}: {got or 'no answer'}"


@contextlib.contextmanager
def scene_at(site: Guarded) -> Iterator[Scene]:
    """In a new place of that site, whose first address is the trunk's; phone and trunk are there, and one account is known from elsewhere."""
    with site.place(range(1, 6)) as place:
        assert place.phone(ELSEWHERE).works() == OK
        trunk = place.phone(TRUNK, 5060, account="3900")
        phone = place.phone(PHONE, 5060, account="3901")
        assert phone.works() == OK
        yield Scene(site, place, trunk, phone, (f"{3100 + number % 300}" for number in itertools.count()))


Kind = Callable[[End, int, Challenge], bytes]


def scanner(end: End, number: int, _: Challenge) -> bytes:
    return request("REGISTER", name(number), end, number).replace(AGENT.encode(), SCANNER.encode())


def name(number: int) -> str:
    return f"{3400 + number % NAMES}"


def wrong(account: str) -> Kind:
    """Wrong credentials, on a nonce that the liar really got."""

    def made(end: End, number: int, nonce: Challenge) -> bytes:
        who = account or name(number)
        return request("REGISTER", who, end, number, nonce.credentials("REGISTER", "sip:lab", who, f"guess-{number}"))

    return made


def flood(method: str, account: str = "") -> Kind:
    return lambda end, number, _: request(method, account or name(number), end, number)


def answer(code: int) -> Kind:
    """What only the PBX says, or whoever it asked."""

    def made(end: End, number: int, _: Challenge) -> bytes:
        head = request("REGISTER", "3901", end, number).partition(b"\r\n")[2]
        return b"SIP/2.0 %d Said\r\n%s" % (code, head)

    return made


def sent_elsewhere(kind: Kind, address: str) -> Kind:
    """The PBX is told to answer there."""

    def made(end: End, number: int, nonce: Challenge) -> bytes:
        return kind(end, number, nonce).replace(b";rport", b";maddr=" + address.encode())

    return made


KINDS = {
    "scanner": scanner,
    "credentials of the phone's account": wrong("3901"),
    "credentials of the stranger's account": wrong("3001"),
    "credentials of many": wrong(""),
    "REGISTER": flood("REGISTER"),
    "REGISTER of the phone's account": flood("REGISTER", "3901"),
    "INVITE": flood("INVITE"),
    "OPTIONS": flood("OPTIONS"),
    "BYE": flood("BYE"),
    "401": answer(401),
    "200": answer(200),
    "404": answer(404),
    "maddr of the liar": sent_elsewhere(flood("REGISTER", "3901"), "198.18.1.5"),
    "maddr of the phone": sent_elsewhere(flood("REGISTER"), "198.18.1.2"),
    "credentials with maddr": sent_elsewhere(wrong("3901"), "198.18.1.5"),
}

_numbers = itertools.count(10_000_000)


def all_work_during(scene: Scene, kind: str, count: int, rate: int) -> None:
    """While so many datagrams of that kind are sent, and after it. Nobody is cut. Raises AssertionError."""
    with scene.place.phone(LIAR) as liar, Forger(scene.site.network.outside) as forger:
        answered = liar.persist(*liar.make("REGISTER"))
        assert answered is not None
        nonce = Challenge.of(answered)
        ends = [*scene.ends, liar.end] if "maddr" in kind else scene.ends
        sending = threading.Thread(target=send, args=(forger, ends, KINDS[kind], nonce, count, rate))
        sending.start()
        try:
            scene.works()
            while sending.is_alive():
                scene.works()
        finally:
            sending.join()
    scene.works()
    nobody_is_cut(scene)


def send(forger: Forger, ends: list[End], kind: Kind, nonce: Challenge, count: int, rate: int) -> None:
    """So many, in the name of each in turn. More a second than the sensor has time for is another test's matter."""
    start = time.monotonic()
    for number, end in zip(range(count), itertools.cycle(ends), strict=False):
        forger.send(end, kind(end, next(_numbers), nonce))
        if number % 50 == 0:
            time.sleep(max(0.0, start + number / rate - time.monotonic()))


def nobody_is_cut(scene: Scene) -> None:
    """None of the three ever was, by the sensor or in the kernel. Raises AssertionError."""
    running = scene.site.running
    innocent = {scene.place.address(host) for host in (TRUNK, PHONE, STRANGER)}
    assert cuts(running, innocent) == []
    assert running.metric('sipsensor_drops_total{reason="BANNED"}') == 0
    assert not [address for address in innocent if f'"{address}"' in blocked(scene)]


def cuts(running: Running, addresses: set[str]) -> list[dict[str, object]]:
    """The events of cuts of whoever sends from there."""
    events = [json.loads(line) for line in running.events.read_text().splitlines()]
    return [event for event in events if event["event_type"] == "cut" and event["src_ip"] in addresses]


def blocked(scene: Scene) -> str:
    """The kernel's sets of whom it drops, as text."""
    listed = scene.site.network.gateway.run("nft -j list sets")
    sets = [entry["set"] for entry in json.loads(listed)["nftables"] if "set" in entry]
    return json.dumps([one for one in sets if "blocked" in one["name"]])
