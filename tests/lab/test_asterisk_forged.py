"""A company's Asterisk 22 behind the sensor: floods in the name of its trunk (which it knows by the address alone), of a registered phone
and of a stranger stop none of them, and no phone is cut because it stalls.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest

from tests.conftest import missing
from tests.lab.asterisk import Asterisk, asterisk, tree
from tests.lab.forging import KINDS, OK, SETTINGS, Scene, all_work_during, cuts, scene_at
from tests.lab.guarded import Guarded, guard, secret
from tests.lab.network import network
from tests.lab.sid import TreeError

# The first of them may have to fetch Asterisk.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

PHONES = 20
STALL = 30
"""Seconds."""

TRUNK = "[trunk]\ntype=endpoint\ncontext=nowhere\n[trunk]\ntype=identify\nendpoint=trunk\nmatch=198.18.1.1\n"


def accounts() -> str:
    """Asterisk's configuration of the trunk, and of the accounts 3000 to 3999 with the passwords that they have at Kamailio."""
    return TRUNK + "".join(
        f"[{account}](phone)\ncontext=nowhere\nauth={account}\naors={account}\n"
        f"[{account}](account)\nusername={account}\npassword={secret(str(account))}\n[{account}](addresses)\n"
        for account in range(3000, 4000)
    )


@pytest.fixture(scope="module")
def guarded(root: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Guarded, Asterisk]]:  # noqa: ARG001
    try:
        tree()
    except TreeError as problem:
        missing("Asterisk", str(problem))
    folder, own = tmp_path_factory.mktemp("forged"), tmp_path_factory.mktemp("asterisk")
    with (
        network() as made,
        asterisk(made.pbx, "pbx", own, accounts()) as pbx,
        guard(made, folder, SETTINGS) as site,
    ):
        yield site, pbx


@pytest.fixture(scope="module")
def scene(guarded: tuple[Guarded, Asterisk]) -> Iterator[Scene]:
    """One for all kinds: each finds the budgets as the others left them."""
    with scene_at(guarded[0]) as made:
        yield made


@pytest.fixture
def fresh_start() -> None:
    """The sensor of the module goes on from test to test."""


@pytest.mark.parametrize(("count", "rate"), [(5000, 1000), (100_000, 1000)])
@pytest.mark.parametrize("kind", KINDS)
def test_everybody_works_during_it_and_nobody_is_cut(scene: Scene, kind: str, count: int, rate: int) -> None:
    all_work_during(scene, kind, count, rate)


def test_no_phone_is_cut_when_the_pbx_stalls(scene: Scene, guarded: tuple[Guarded, Asterisk]) -> None:
    """Every other phone goes on with the nonce that it has, a new request every half second; the rest ask for one."""
    site, pbx = guarded
    with site.place(range(1, PHONES + 1)) as place:
        phones = [
            place.phone(host, account=str(3600 + host), password=secret(str(3600 + host)))
            for host in range(1, PHONES + 1)
        ]
        assert [phone.works() for phone in phones] == [OK] * PHONES
        challenges = [phone.challenge() for phone in phones]
        os.kill(pbx.process.pid, signal.SIGSTOP)
        try:
            for _ in range(2 * STALL):
                for number, (phone, challenge) in enumerate(zip(phones, challenges, strict=True)):
                    assert challenge is not None
                    phone.send((phone.guess(challenge, phone.password) if number % 2 else phone.make("REGISTER"))[1])
                time.sleep(0.5)
        finally:
            os.kill(pbx.process.pid, signal.SIGCONT)
        assert [phone.works() for phone in phones] == [OK] * PHONES
        assert cuts(site.running, {phone.end[0] for phone in phones}) == []
    scene.works()
