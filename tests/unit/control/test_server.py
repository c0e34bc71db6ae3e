"""The control socket: what it answers, what it takes from nobody, and who stands in its way."""

from __future__ import annotations

import json
import os
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from sipsensor.control import ControlError, server
from sipsensor.control.server import CONNECTIONS_MOST, REQUEST_MOST, Peer, Server

Serve = Callable[..., Server]


def echo(arguments: Mapping[str, object], peer: Peer) -> dict[str, object]:
    return {"arguments": dict(arguments), "uid": peer.uid, "pid": peer.pid}


def refuse(arguments: Mapping[str, object], _peer: Peer) -> dict[str, object]:
    raise ValueError(f"{arguments['address']} is no address")


def fail(_arguments: Mapping[str, object], _peer: Peer) -> dict[str, object]:
    raise RuntimeError("a secret of the program")


def large(_arguments: Mapping[str, object], _peer: Peer) -> dict[str, object]:
    return {"text": "x" * 800_000}


def too_large(_arguments: Mapping[str, object], _peer: Peer) -> dict[str, object]:
    return {"text": "x" * server.ANSWER_MOST}


def no_json(_arguments: Mapping[str, object], _peer: Peer) -> dict[str, object]:
    return {"text": object()}


COMMANDS = {
    "echo": echo,
    "refuse": refuse,
    "fail": fail,
    "large": large,
    "too-large": too_large,
    "no-json": no_json,
}


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "run" / "control.sock")


@pytest.fixture
def complaints() -> list[BaseException]:
    return []


@pytest.fixture
def serve(path: str, complaints: list[BaseException]) -> Iterator[Serve]:
    with ExitStack() as edges:

        def serve(**more: object) -> Server:
            made = Server(path, COMMANDS, complain=complaints.append, **more)  # type: ignore[arg-type]
            edges.callback(made.close)
            return made

        yield serve


def connect(path: str) -> socket.socket:
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.connect(path)
    client.settimeout(10)
    return client


def line_of(client: socket.socket) -> dict[str, object]:
    with client.makefile("rb") as reader:
        answer = json.loads(reader.readline())
    assert isinstance(answer, dict)
    return answer


def ask(path: str, request: bytes) -> dict[str, object]:
    with closing(connect(path)) as client:
        client.sendall(request)
        return line_of(client)


def test_a_command_gets_its_arguments_and_who_asks(serve: Serve, path: str) -> None:
    serve()
    answer = ask(path, b'{"command": "echo", "arguments": {"a": [1, "\xc3\xa9"]}}\n')
    assert answer == {"answer": {"arguments": {"a": [1, "é"]}, "uid": os.getuid(), "pid": os.getpid()}}
    assert ask(path, b'{"command": "echo"}\n')["answer"] == {"arguments": {}, "uid": os.getuid(), "pid": os.getpid()}


def test_several_requests_of_one_connection_are_answered_in_order(serve: Serve, path: str) -> None:
    serve()
    with closing(connect(path)) as client, client.makefile("rb") as reader:
        client.sendall(b'{"command": "echo", "arguments": {"n": 1}}\n{"command": "large"}\n{"command": "no')
        client.sendall(b'ne"}\n{"command": "echo", "arguments": {"n": 2}}\n')
        answers = [json.loads(reader.readline()) for _ in range(4)]
    assert answers[0]["answer"]["arguments"] == {"n": 1}
    assert len(answers[1]["answer"]["text"]) == 800_000
    assert "there is no command 'none'" in answers[2]["error"]
    assert answers[3]["answer"]["arguments"] == {"n": 2}


@pytest.mark.parametrize(
    ("request_line", "error"),
    [
        (b"\n", "the request is no JSON"),
        (b"status\n", "the request is no JSON"),
        (b"\xff\xfe\n", "the request is no JSON"),
        (b"[" * 4000 + b"\n", "the request is no JSON"),
        (b"[1, 2]\n", 'the request is not {"command": NAME, "arguments": {...}}'),
        (b'{"command": 7}\n', 'the request is not {"command": NAME, "arguments": {...}}'),
        (b'{"command": "echo", "arguments": [1]}\n', "the arguments are no object"),
        (
            b'{"command": "nope"}\n',
            "there is no command 'nope'; there are echo, refuse, fail, large, too-large, no-json",
        ),
        (b'{"command": "refuse", "arguments": {"address": "x"}}\n', "x is no address"),
        (b'{"command": "fail"}\n', "the command failed: RuntimeError"),
        (b'{"command": "no-json"}\n', "the command failed: TypeError"),
        (b'{"command": "too-large"}\n', "the answer is longer than 1048576 bytes"),
        (b"x" * REQUEST_MOST, "the request is longer than 4096 bytes"),
        (b"x" * REQUEST_MOST + b"\n", "the request is longer than 4096 bytes"),
        (b'{"command": "\x1b[2Jnope"}\n', "the request is no JSON"),
        (b'{"command": "\\u001b[2Jnope"}\n', "there is no command '\\x1b[2Jnope'"),
    ],
)
def test_bad_input_is_answered_with_an_error(serve: Serve, path: str, request_line: bytes, error: str) -> None:
    serve()
    said = ask(path, request_line)["error"]
    assert isinstance(said, str)
    assert said.startswith(error)
    assert "answer" in ask(path, b'{"command": "echo"}\n')


def test_a_request_of_just_the_limit_is_read(serve: Serve, path: str) -> None:
    serve()
    request = b'{"command": "echo", "arguments": {"a": "%s"}}\n'
    request %= b"x" * (REQUEST_MOST - len(request) + 2)
    assert len(request) == REQUEST_MOST
    assert "answer" in ask(path, request)


def test_what_fails_inside_is_told_once_it_happened(serve: Serve, path: str, complaints: list[BaseException]) -> None:
    serve()
    ask(path, b'{"command": "fail"}\n')
    ask(path, b'{"command": "refuse", "arguments": {"address": "x"}}\n')
    assert [str(error) for error in complaints] == ["a secret of the program"]


def test_clients_that_say_nothing_hold_nobody_up(serve: Serve, path: str) -> None:
    serve()
    with ExitStack() as silent:
        for _ in range(3 * CONNECTIONS_MOST):
            silent.enter_context(closing(connect(path)))
        began = time.monotonic()
        assert "answer" in ask(path, b'{"command": "echo"}\n')
        assert time.monotonic() - began < 2


def test_a_client_that_reads_nothing_is_hung_up_on(serve: Serve, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "SECONDS", 0.5)
    serve()
    with closing(connect(path)) as greedy:
        greedy.sendall(b'{"command": "large"}\n' * 20)
        assert "answer" in ask(path, b'{"command": "echo"}\n')
        time.sleep(0.8)
        assert "answer" in ask(path, b'{"command": "echo"}\n')
        received = 0
        while data := greedy.recv(1 << 20):
            received += len(data)
        assert received < 20 * 800_000


def test_a_client_that_goes_on_byte_by_byte_is_hung_up_on(
    serve: Serve, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "SECONDS", 0.3)
    serve()
    with closing(connect(path)) as slow, pytest.raises(ConnectionError):  # noqa: PT012 - one of many writes is refused
        for _ in range(100):
            slow.sendall(b" ")
            time.sleep(0.02)


def test_the_tick_goes_on_and_may_fail(serve: Serve, path: str, complaints: list[BaseException]) -> None:
    ticks: list[float] = []

    def tick() -> None:
        ticks.append(time.monotonic())
        raise RuntimeError(f"tick {len(ticks)}")

    serve(tick=tick, every=0.05)
    time.sleep(0.5)
    assert 2 <= len(ticks) <= 12
    assert len(complaints) == len(ticks)
    assert "answer" in ask(path, b'{"command": "echo"}\n')


def switches(made: Server) -> list[str]:
    """How often the server's thread ran."""
    status = Path(f"/proc/self/task/{made._thread.native_id}/status").read_text()
    return [line for line in status.splitlines() if line.startswith("voluntary")]


def test_without_a_tick_it_sleeps(serve: Serve, path: str) -> None:
    made = serve()
    ask(path, b"{}\n")
    time.sleep(0.1)
    before = switches(made)
    time.sleep(0.3)
    assert switches(made) == before


def test_the_socket_is_for_owner_and_group_alone_and_goes_with_the_server(serve: Serve, path: str) -> None:
    made = serve()
    mode = Path(path).stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o660
    made.close()
    assert not Path(path).exists()
    made.close()


def test_a_command_that_hangs_does_not_hold_the_end_up(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    goes_on = threading.Event()

    def hang(_arguments: Mapping[str, object], _peer: Peer) -> dict[str, object]:
        return {"waited": goes_on.wait(20)}

    made = Server(path, {"hang": hang})
    with closing(connect(path)) as client:
        client.sendall(b'{"command": "hang"}\n')
        time.sleep(0.1)
        monkeypatch.setattr(server, "SECONDS", 0.2)
        began = time.monotonic()
        made.close()
        assert time.monotonic() - began < 5
        monkeypatch.undo()
        goes_on.set()
        made.close()
    assert not Path(path).exists()


def test_the_socket_of_a_dead_sensor_is_replaced(serve: Serve, path: str) -> None:
    Path(path).parent.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(path)
        dead.listen()
    assert Path(path).exists()
    serve()
    assert "answer" in ask(path, b'{"command": "echo"}\n')


def test_the_socket_of_a_living_sensor_is_left_alone(serve: Serve, path: str) -> None:
    serve()
    with pytest.raises(
        ControlError, match=rf"^control\.socket: {path}: another sensor answers there; stop it, or name"
    ):
        Server(path, COMMANDS)
    assert "answer" in ask(path, b'{"command": "echo"}\n')


def test_a_socket_that_others_put_there_since_is_left_alone(serve: Serve, path: str) -> None:
    made = serve()
    Path(path).unlink()
    Path(path).write_text("another's")
    made.close()
    assert Path(path).read_text() == "another's"


def test_what_stands_in_the_way_is_one_line(path: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("precious")
    for where, line in (
        (str(file), "is no socket; name another path, or move that file away"),
        (f"{file}/control.sock", f"cannot be opened: {file} is no directory; name a path this user may write"),
        (f"{path}{'x' * 200}", "cannot be opened: AF_UNIX path too long; name a path"),
        ("/proc/nope/control.sock", "cannot be opened: No such file or directory; name a path"),
        ("\0", "cannot be opened: "),
    ):
        with pytest.raises(ControlError) as caught:
            Server(where, COMMANDS)
        assert line in str(caught.value)
        assert str(caught.value).startswith("control.socket: ")
        assert "\n" not in str(caught.value)
    assert file.read_text() == "precious"
