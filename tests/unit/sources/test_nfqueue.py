"""What can be said of a queue without binding one: messages to the kernel, its answers, and who holds what. The lab binds."""

from __future__ import annotations

import socket
import struct
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from sipsensor.fastpath.examine import Examiner
from sipsensor.fastpath.matcher import Matcher
from sipsensor.fastpath.ranges import Networks
from sipsensor.sources import nfqueue
from sipsensor.sources.nfqueue import QueueError, QueueState, QueueThread
from sipsensor.sources.pump import Pump

TABLE = " 5060   4711    12 2 65531     3     4      100  1\n 5061      9     0 2 65531     0     0        0  1\n"


def answer(sequence: int, error: int) -> bytes:
    return struct.pack("=IHHIIi", 36, 2, 0, sequence, 0, error) + b"\0" * 16


@pytest.fixture
def pair() -> object:
    ours, kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, kernel:
        yield ours, kernel


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "nfnetlink_queue"
    file.write_text(TABLE)
    monkeypatch.setattr(nfqueue, "QUEUES", file)
    return file


@pytest.mark.parametrize("fail_open", [True, False])
def test_the_configuration_message_is_what_the_kernel_reads(fail_open: bool) -> None:  # noqa: FBT001
    message = nfqueue._config_message(5060, 8192, 7, fail_open=fail_open)
    size, kind, flags, sequence, port = struct.unpack_from("=IHHII", message)
    assert (size, kind, flags, sequence, port) == (len(message), 0x302, 5, 7, 0)
    assert message[16:20] == struct.pack(">BBH", 0, 0, 5060)
    attributes = {}
    start = 20
    while start < len(message):
        length, name = struct.unpack_from("=HH", message, start)
        attributes[name] = message[start + 4 : start + length]
        start += (length + 3) & ~3
    # linux/netfilter/nfnetlink_queue.h: params (range, mode), maximal length, mask and flags.
    assert attributes == {
        2: struct.pack(">IB", 0xFFFF, 2),
        3: struct.pack(">I", 8192),
        4: struct.pack(">I", 1),
        5: struct.pack(">I", int(fail_open)),
    }


def test_the_answer_is_found_behind_packets_and_these_are_kept(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, kernel = pair
    packets = [struct.pack("=IHHII", 20, 0x300, 0, 0, 0) + bytes(4), answer(6, -1)]
    for datagram in [*packets, answer(7, 0)]:
        kernel.send(datagram)
    early: list[bytes] = []
    assert nfqueue._read_answer(ours, 7, early) == 0
    assert early == packets


def test_a_refusal_is_its_errno(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, kernel = pair
    kernel.send(answer(7, -16))
    assert nfqueue._read_answer(ours, 7, []) == 16


def test_no_answer_yet_is_none(pair: tuple[socket.socket, socket.socket]) -> None:
    assert nfqueue._read_answer(pair[0], 7, []) is None


def test_a_socket_that_fails_is_a_queue_error(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, kernel = pair
    kernel.close()
    ours.shutdown(socket.SHUT_RDWR)
    ours.close()
    with pytest.raises(QueueError, match="reading the queue's configuration failed"):
        nfqueue._read_answer(ours, 7, [])


def test_the_state_of_a_queue_is_read_from_the_kernels_table(table: Path) -> None:
    assert nfqueue.state(5060) == QueueState(waiting=12, dropped_full=3, dropped_socket=4)
    assert nfqueue.state(5062) is None
    table.unlink()
    assert nfqueue.state(5060) is None


def test_the_owner_of_a_queue_is_named_by_process(table: Path) -> None:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, nfqueue.NETLINK_NETFILTER) as mine:
        mine.bind((0, 0))
        table.write_text(f"5060 {mine.getsockname()[0]} 0 2 65531 0 0 0 1\n")
        name = Path("/proc/self/comm").read_text().strip()
        assert nfqueue.owner(5060) == f"process {Path('/proc/self').resolve().name} ({name})"


def test_an_owner_that_cannot_be_found_is_still_somebody(table: Path) -> None:
    table.write_text("5060 4294000000 0 2 65531 0 0 0 1\n")
    assert nfqueue.owner(5060) == "another process (netlink port 4294000000)"
    assert nfqueue.owner(5062) is None


def test_why_binding_failed(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = OSError("Failed to create queue 5060.")
    monkeypatch.setattr(nfqueue, "_may_administrate", lambda: True)
    assert "queue 5060 is in use by another process (netlink port 4711)" in nfqueue._why(5060, error)
    assert nfqueue._why(5062, error) == "queue 5062: Failed to create queue 5060."
    table.unlink()
    assert "modprobe nfnetlink_queue" in nfqueue._why(5060, error)
    monkeypatch.setattr(nfqueue, "_may_administrate", lambda: False)
    assert "CAP_NET_ADMIN is missing" in nfqueue._why(5060, error)


@pytest.mark.parametrize("accept", [True, False])
def test_what_comes_while_the_library_binds_is_answered_at_once_and_what_dies_is_counted(
    monkeypatch: pytest.MonkeyPatch,
    accept: bool,  # noqa: FBT001
) -> None:
    # It reads what it does not wait for, too: a packet behind its second setting would wait until the queue goes.
    answers: list[str] = []
    ours, kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)

    class Library:
        def bind(self, number: int, callback: Callable[[object], None], max_len: int) -> None:
            assert (number, max_len) == (5060, 100)
            callback(SimpleNamespace(accept=lambda: answers.append("accept"), drop=lambda: answers.append("drop")))

        def get_fd(self) -> int:
            return ours.fileno()

        def unbind(self) -> None:
            answers.append("unbound")

    monkeypatch.setitem(sys.modules, "netfilterqueue", SimpleNamespace(NetfilterQueue=Library))
    monkeypatch.setattr(nfqueue, "_configure", lambda *_, **__: None)
    with ours, kernel:
        queue = nfqueue.BoundQueue(5060, 100, fail_open=False, accept_early=accept)
        queue.close()
    assert answers == ["accept" if accept else "drop", "unbound"]
    assert queue.dropped_early == (0 if accept else 1)


def test_a_thread_that_fails_says_why_and_sets_its_event() -> None:
    ours, kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    pump = Pump(
        ours.fileno(), 1, Examiner(Matcher()), lambda _: 0, lambda *_: 0, threading.Lock(), protected=Networks()
    )
    ours.close()
    kernel.close()
    ended = threading.Event()
    thread = QueueThread(pump, ended)
    assert ended.wait(5)
    assert thread.stop(5)
    assert isinstance(thread.error, OSError)


def test_a_thread_that_is_stopped_has_no_error_and_one_that_hangs_is_told() -> None:
    hang = threading.Event()
    ours, kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, kernel:
        pump = Pump(
            ours.fileno(),
            1,
            Examiner(Matcher()),
            lambda _: 0,
            lambda *_: 0,
            threading.Lock(),
            protected=Networks(),
            tick=lambda _: hang.wait(5),
        )
        thread = QueueThread(pump, threading.Event())
        assert not thread.stop(0.3)
        hang.set()
        assert thread.stop(5)
        assert thread.error is None
