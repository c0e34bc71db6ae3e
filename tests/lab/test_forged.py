"""Floods in the name of a trunk, of a registered phone (its exact address and port) and of an innocent stranger: whatever is sent, all
three work while it goes on, and none of them is ever cut.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.lab.guarded import Guarded, Place, guarded
from tests.lab.network import PBX
from tests.lab.send import SCANNER
from tests.lab.softphone import AGENT, Challenge, Forger, Softphone, request

TRUNK, PHONE, STRANGER, ELSEWHERE, LIAR = 1, 2, 3, 4, 5
"""Hosts of the one place."""
NAMES = 200
OK, NOT_FOUND = 200, 404

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
        assert self.trunk.works("OPTIONS")
        assert self.trunk.works("INVITE")
        assert self.phone.works() == OK
        assert self.phone.works("INVITE") == NOT_FOUND
        for account in (next(self.accounts), self.place.account):
            with self.place.phone(STRANGER, account=account) as stranger:
                assert stranger.works() == OK, account


@pytest.fixture(scope="module")
def scene(root: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:  # noqa: ARG001
    """One for all kinds: each finds the budgets as the others left them."""
    # Accounts that register once and never again are what the safety net looks for; it has tests of its own.
    more = '[trust]\ntrunks = ["198.18.1.1"]\n[safety]\nshare = 0\n'
    with guarded(tmp_path_factory.mktemp("forged"), more=more) as site, site.place(range(1, 6)) as place:
        assert place.phone(ELSEWHERE).works() == OK
        trunk = place.phone(TRUNK, 5060, account="3900")
        phone = place.phone(PHONE, 5060, account="3901")
        assert phone.works() == OK
        yield Scene(site, place, trunk, phone, (f"{3100 + number % 300}" for number in itertools.count()))


@pytest.fixture
def fresh_start() -> None:
    """The sensor of the module goes on from test to test."""


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


@pytest.mark.parametrize(
    ("count", "rate"), [(2000, 2500), pytest.param(100_000, 1500, marks=[pytest.mark.slow, pytest.mark.timeout(600)])]
)
@pytest.mark.parametrize("kind", KINDS)
def test_everybody_works_during_it_and_nobody_is_cut(scene: Scene, kind: str, count: int, rate: int) -> None:
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


def test_answers_in_the_name_of_the_pbx(scene: Scene) -> None:
    with Forger(scene.site.network.outside) as forger:
        for number in range(1000):
            made = answer((401, 200)[number % 2])(scene.phone.end, next(_numbers), Challenge("lab", "invented"))
            forger.send(("10.71.2.9", 5060), made, PBX[4])
    scene.works()
    assert scene.site.running.metric('sipsensor_drops_total{reason="SPOOFED"}') >= 1000
    nobody_is_cut(scene)


def nobody_is_cut(scene: Scene) -> None:
    running = scene.site.running
    events = [json.loads(line) for line in running.events.read_text().splitlines()]
    innocent = {scene.place.address(host) for host in (TRUNK, PHONE, STRANGER)}
    assert [event for event in events if event["event_type"] == "cut" and event["src_ip"] in innocent] == []
    assert running.metric('sipsensor_drops_total{reason="BANNED"}') == 0
    assert not [address for address in innocent if f'"{address}"' in blocked(scene)]


def blocked(scene: Scene) -> str:
    """The kernel's sets of whom it drops, as text."""
    listed = scene.site.network.gateway.run("nft -j list sets")
    sets = [entry["set"] for entry in json.loads(listed)["nftables"] if "set" in entry]
    return json.dumps([one for one in sets if "blocked" in one["name"]])
