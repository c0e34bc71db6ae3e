"""Asking a sensor, and what is said when nobody answers as one."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest

from sipsensor.control import ControlError
from sipsensor.control.client import ask
from sipsensor.control.server import Server

Answering = Callable[[bytes], None]


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "control.sock")


@pytest.fixture
def answering(path: str) -> Iterator[Answering]:
    """Somebody at the path who answers one connection with the bytes he is given."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(path)
        listener.listen()
        threads = []

        def answer(data: bytes) -> None:
            accepted, _ = listener.accept()
            with accepted, contextlib.suppress(OSError):
                accepted.recv(4096)
                accepted.sendall(data)

        def start(data: bytes) -> None:
            threads.append(threading.Thread(target=answer, args=(data,)))
            threads[-1].start()

        yield start
        for thread in threads:
            thread.join(5)


def test_it_gets_what_the_command_says(path: str) -> None:
    server = Server(path, {"add": lambda arguments, _peer: {"sum": sum(cast("list[int]", arguments["n"]))}})
    try:
        assert ask(path, "add", {"n": [1, 2]}) == {"sum": 3}
        with pytest.raises(ControlError, match=f"^{path}: there is no command 'nope'; there are add$"):
            ask(path, "nope")
    finally:
        server.close()


def test_nobody_there_is_one_line(path: str, tmp_path: Path) -> None:
    dead = tmp_path / "dead.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as socket_of_the_dead:
        socket_of_the_dead.bind(str(dead))
    for where in (path, str(dead), f"{path}/below"):
        with pytest.raises(
            ControlError, match=f"^{where}: no sensor runs there; start one with sipsensor run, or name"
        ):
            ask(where, "status")


def test_who_may_not_ask_is_told_so(path: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs another user")
    server = Server(path, {})
    child = os.fork()
    if child == 0:
        try:
            Path(path).parent.chmod(0o755)
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            ask(path, "status")
        except ControlError as error:
            os._exit(0 if "permission denied; ask as root, or as a member of the group" in str(error) else 2)
        finally:
            os._exit(3)
    try:
        assert os.waitpid(child, 0)[1] == 0
    finally:
        server.close()


def test_silence_ends_in_time(path: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as mute:
        mute.bind(path)
        mute.listen()
        began = time.monotonic()
        with pytest.raises(ControlError, match="the sensor does not answer in time; look at its log"):
            ask(path, "status", timeout=0.3)
        assert time.monotonic() - began < 2


def test_a_crowd_in_front_is_waited_for(path: str) -> None:
    with contextlib.ExitStack() as crowd:
        listener = crowd.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        listener.bind(path)
        listener.listen(0)
        before = crowd.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        before.connect(path)

        def serve() -> None:
            time.sleep(0.3)
            for _ in range(2):
                accepted, _ = listener.accept()
                with accepted, contextlib.suppress(OSError):
                    accepted.sendall(b'{"answer": {"n": 1}}\n')
                    accepted.recv(4096)

        thread = threading.Thread(target=serve)
        thread.start()
        before.close()
        assert ask(path, "status") == {"n": 1}
        thread.join()


@pytest.mark.parametrize(
    "data", [b"", b"hello\n", b"[]\n", b"{}\n", b'{"answer": 7}\n', b'{"error": 7}\n', b"\xff\n", b'{"answ']
)
def test_what_is_no_answer_is_no_sensor(path: str, answering: Answering, data: bytes) -> None:
    answering(data)
    with pytest.raises(ControlError, match="what answers there is no sensor"):
        ask(path, "status")


def test_an_endless_answer_is_cut(path: str, answering: Answering) -> None:
    answering(b"x" * (8 << 20))
    with pytest.raises(ControlError, match="what answers there is no sensor"):
        ask(path, "status")


def test_paths_that_are_none(tmp_path: Path) -> None:
    for where in ("", "\0", "x" * 200, str(tmp_path)):
        with pytest.raises(ControlError):
            ask(where, "status")
