from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from sipsensor.live.notify import Notifier


@pytest.fixture
def systemd(tmp_path: Path) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    made.bind(str(tmp_path / "notify"))
    made.settimeout(1)
    return made


def test_it_tells_what_happens(systemd: socket.socket, tmp_path: Path) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "30000000"})
    assert notifier.period == 10
    notifier.ready("serves")
    notifier.beat()
    notifier.beat()
    notifier.status("busy")
    notifier.stopping()
    assert [systemd.recv(100) for _ in range(4)] == [
        b"READY=1\nSTATUS=serves",
        b"WATCHDOG=1",
        b"STATUS=busy",
        b"STOPPING=1",
    ]
    systemd.close()


def test_an_abstract_socket_is_reached() -> None:
    name = f"sipsensor-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind("\0" + name)
        Notifier({"NOTIFY_SOCKET": "@" + name}).status("here")
        assert systemd.recv(100) == b"STATUS=here"


def test_nobody_there_is_no_matter(tmp_path: Path) -> None:
    Notifier({}).ready("x")
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).ready("x")


def test_a_watchdog_of_another_process_is_none_of_ours(tmp_path: Path) -> None:
    other = {"NOTIFY_SOCKET": str(tmp_path / "x"), "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid() + 1)}
    assert Notifier(other).period == 0
    assert Notifier({**other, "WATCHDOG_PID": str(os.getpid())}).period == 1
    assert Notifier({"WATCHDOG_USEC": "3000000"}).period == 0


def test_a_full_socket_does_not_wait(systemd: socket.socket, tmp_path: Path) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")})
    for _ in range(1000):
        notifier.status("x" * 500)
    systemd.close()
