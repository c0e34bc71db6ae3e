"""Guesses over TCP, cut into segments so that none begins where a message does: Kamailio judges the budget and no more."""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections.abc import Iterator

import pytest

from tests.lab.guarded import Guarded, Place, guarded
from tests.lab.network import PBX, inside
from tests.lab.softphone import PORT, Challenge, Softphone

BUDGET = 10
GUESSES = 1000
QUIET = 4.0
"""Seconds without an answer after which none is waited for: a dropped segment is sent again by then, more than once."""


@pytest.fixture(scope="module")
def site(root: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:  # noqa: ARG001
    with guarded(tmp_path_factory.mktemp("streams")) as made:
        yield made


@pytest.fixture
def fresh_start() -> None:
    """The sensor of the module goes on from test to test."""


@contextlib.contextmanager
def connection(place: Place, host: int) -> Iterator[socket.socket]:
    """From that address of the place to the PBX."""
    with inside(place.network.outside):
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    with made:
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.bind((place.address(host), 0))
        made.settimeout(20)
        made.connect((PBX[4], PORT))
        yield made


def over_tcp(message: bytes) -> bytes:
    return message.replace(b"SIP/2.0/UDP", b"SIP/2.0/TCP")


def answers(connected: socket.socket, pieces: list[bytes]) -> bytes:
    """Everything that comes back until nothing comes any more, or both are done."""
    found, waiting, last = b"", list(pieces), time.monotonic()
    connected.setblocking(False)
    while time.monotonic() - last < QUIET:
        readable, writable, _ = select.select([connected], [connected] if waiting else [], [], 0.5)
        if readable:
            with contextlib.suppress(BlockingIOError):
                came = connected.recv(65535)
                if not came:
                    break
                found, last = found + came, time.monotonic()
        if writable:
            sent = connected.send(waiting[0])
            waiting[0] = waiting[0][sent:]
            if not waiting[0]:
                del waiting[0]
    return found


def challenged(connected: socket.socket, phone: Softphone) -> Challenge:
    connected.sendall(over_tcp(phone.make("REGISTER")[1]))
    return Challenge.of(connected.recv(65535))


@pytest.mark.parametrize("whole", [True, False], ids=["a message a segment", "none where a message begins"])
def test_a_stream_of_guesses_wins_the_budget(site: Guarded, *, whole: bool) -> None:
    with site.place() as place:
        assert place.phone(2).register() == 200
        phone = place.phone(1, password="wrong")
        with connection(place, 1) as connected:
            nonce = challenged(connected, phone)
            guesses = [over_tcp(phone.guess(nonce, f"guess-{number}")[1]) for number in range(GUESSES)]
            stream = b"".join(guesses)
            start = 0 if whole else len(guesses[0]) // 2
            pieces = (
                guesses
                if whole
                else [stream[:start], *(stream[at : at + 700] for at in range(start, len(stream), 700))]
            )
            judged = answers(connected, pieces).count(b"SIP/2.0 401 ")
        assert BUDGET // 2 <= judged <= BUDGET


@pytest.mark.parametrize("size", [1, 7, 100, 1000])
def test_a_phone_registers_over_tcp_however_its_stream_is_cut(site: Guarded, size: int) -> None:
    with site.place() as place:
        phone = place.phone(1)
        with connection(place, 1) as connected:
            for _ in range(3):
                nonce = challenged(connected, phone)
                made = over_tcp(phone.guess(nonce, phone.password)[1])
                for at in range(0, len(made), size):
                    connected.sendall(made[at : at + size])
                assert connected.recv(65535).startswith(b"SIP/2.0 200 ")
