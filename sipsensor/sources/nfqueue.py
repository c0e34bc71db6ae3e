"""Binding a netfilter queue: NetfilterQueue sets it up, configuration messages on its descriptor complete it, and `pump` serves it.

The library alone copies at most 4,016 bytes of a packet and cannot ask the kernel to let packets through when the queue is full; both are
one message away (NFQNL_MSG_CONFIG, linux/netfilter/nfnetlink_queue.h), which the kernel takes from the library's own socket only.
Descriptors are close-on-exec: an inherited one keeps a dead queue bound, and nothing passes.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from sipsensor.sources.pump import Pump

QUEUES = Path("/proc/net/netfilter/nfnetlink_queue")
NETLINK_SOCKETS = Path("/proc/net/netlink")

COPY_RANGE = 0xFFFF
ACK_SECONDS = 2.0
DATAGRAM = 68 * 1024
CAP_NET_ADMIN = 12
NETLINK_NETFILTER = 12

# linux/netlink.h
_SOL_NETLINK = 270
_NETLINK_NO_ENOBUFS = 5
_SO_RCVBUFFORCE = 33
_NLMSG_ERROR = 2
_REQUEST = 0x1
_REQUEST_ACK = 0x1 | 0x4
# linux/netfilter/nfnetlink_queue.h
_MSG_PACKET, _MSG_CONFIG, _MSG_VERDICT_BATCH = 0x300, 0x302, 0x303
_PACKET_HDR, _VERDICT_HDR = 1, 2
_CFG_CMD, _UNBIND = 1, 2
_CFG_PARAMS, _CFG_QUEUE_MAXLEN, _CFG_MASK, _CFG_FLAGS = 2, 3, 4, 5
_COPY_PACKET = 2
_FAIL_OPEN = 1

_COLUMNS = 8
_BUFFER_PER_PACKET = 2304  # what the kernel accounts for a signalling packet of up to about 1,500 bytes
_BUFFER_MOST = 64 * 1024 * 1024


class QueueError(Exception):
    """A queue cannot be served; the text is one line for the operator."""


class BoundQueue:
    """A queue of this network namespace, bound and configured; `close` gives it back. Binding needs CAP_NET_ADMIN.

    ``number``: 0 to 65535. ``length``: packets that may wait. ``fail_open``: what does not fit is accepted instead of dropped.
    ``accept_early``: so is what comes while the library sets the queue up, as what came until then; ``dropped_early`` counts the others.
    Raises QueueError when the module, the capability or the queue cannot be had.
    """

    def __init__(self, number: int, length: int, *, fail_open: bool, accept_early: bool = True) -> None:
        self.number = number
        self.dropped_early = 0
        self.early: list[bytes] = []
        """Datagrams that arrived before the queue was ready; the pump serves them first."""
        self._queue = _bind(number, length, _pass if accept_early else self._drop_early)
        self.fd: int = self._queue.get_fd()
        try:
            _close_on_exec(self.fd)
            with socket.socket(fileno=os.dup(self.fd)) as side:
                _configure(side, number, length, self.early, fail_open=fail_open)
        except BaseException:
            self.close()
            raise

    def _drop_early(self, packet: Any) -> None:  # noqa: ANN401
        packet.drop()
        self.dropped_early += 1

    def close(self) -> None:
        """Unbind. What still waits in the kernel is dropped by it, so take the rules away and let the pump run dry first."""
        queue, self._queue = self._queue, None
        if queue is not None:
            queue.unbind()


class AbandonedQueue:
    """A queue whose reader hangs, served by somebody else: every packet that waits gets the same answer. `close` frees the queue's number.

    ``descriptor`` is a duplicate of the reader's own: the kernel takes verdicts and orders from that socket alone. It is closed with this.
    """

    ROUNDS = 0.5
    """Seconds for which packets that keep coming are answered."""

    def __init__(self, number: int, descriptor: int) -> None:
        self.number = number
        self._socket = socket.socket(fileno=descriptor)

    def shut(self, *, accept: bool) -> None:
        """No packet enters any more: what comes passes (``accept``) or is dropped and counted by the kernel, as at a queue that is full.

        Without it, what comes between the last answer and the end of the queue would be dropped, and counted nowhere.
        """
        flags = struct.pack(">I", _FAIL_OPEN if accept else 0)
        self._send(_MSG_CONFIG, _attribute(_CFG_MASK, struct.pack(">I", _FAIL_OPEN)) + _attribute(_CFG_FLAGS, flags))
        self._send(_MSG_CONFIG, _attribute(_CFG_QUEUE_MAXLEN, struct.pack(">I", 0)))

    def answer(self, last_id: int, *, accept: bool) -> int:
        """Answer what the reader received up to ``last_id``, and what it did not; returns how many packets it had not received."""
        deadline = time.monotonic() + self.ROUNDS
        unread = 0
        while True:
            ids = list(self._unread())
            unread += len(ids)
            last_id = ids[-1] if ids else last_id
            if last_id:
                self._send(_MSG_VERDICT_BATCH, _attribute(_VERDICT_HDR, struct.pack(">II", int(accept), last_id)))
            if not ids or time.monotonic() > deadline:
                return unread

    def close(self) -> None:
        """Give the number back, also while the process that bound it still holds its descriptor."""
        self._send(_MSG_CONFIG, _attribute(_CFG_CMD, struct.pack(">BxH", _UNBIND, socket.AF_UNSPEC)))
        self._socket.close()

    def _unread(self) -> Iterator[int]:
        """The ids of the packets in the socket's buffer, in order."""
        with contextlib.suppress(BlockingIOError):
            while True:
                datagram = self._socket.recv(DATAGRAM, socket.MSG_DONTWAIT)
                kind = struct.unpack_from("=H", datagram, 4)[0]
                length, attribute = struct.unpack_from("=HH", datagram, 20)
                if kind == _MSG_PACKET and attribute == _PACKET_HDR and length >= 11:  # noqa: PLR2004 - the kernel's first attribute
                    yield struct.unpack_from(">I", datagram, 24)[0]

    def _send(self, kind: int, attributes: bytes) -> None:
        body = struct.pack(">BBH", socket.AF_UNSPEC, 0, self.number) + attributes
        with contextlib.suppress(OSError):
            self._socket.send(struct.pack("=IHHII", 16 + len(body), kind, _REQUEST, 0, 0) + body)


class QueueThread:
    """Runs a pump in a thread of its own. ``ended`` is set when it ends, and ``error`` says why where nobody stopped it."""

    def __init__(self, pump: Pump, ended: threading.Event) -> None:
        self._pump = pump
        self._ended = ended
        self.error: OSError | None = None
        self._thread = threading.Thread(target=self._run, name="pump", daemon=True)
        self._thread.start()

    def stop(self, patience: float) -> bool:
        """Let the pump answer what waits, and end. False when it does not within ``patience`` seconds: it hangs in a packet."""
        self._pump.stop()
        self._thread.join(patience)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._pump.run()
        except OSError as error:
            self.error = error
        finally:
            self._ended.set()


class QueueState(NamedTuple):
    """What the kernel says of a queue: packets that wait, and packets it dropped because the queue, or the socket's buffer, was full."""

    waiting: int
    dropped_full: int
    dropped_socket: int


def state(number: int) -> QueueState | None:
    """The kernel's counters of a queue; None when it is not bound, or when this user may not read them."""
    words = _line_of(number)
    return QueueState(int(words[2]), int(words[5]), int(words[6])) if words else None


def readable() -> bool:
    """Whether this user may read the kernel's counters of the queues: root and its group may."""
    return os.access(QUEUES, os.R_OK)


def owner(number: int) -> str | None:
    """Who has bound a queue, as words ("process 77 (suricata)"); None when nobody, or when it cannot be known."""
    words = _line_of(number)
    if words is None:
        return None
    port = int(words[1])
    with contextlib.suppress(OSError):
        inode = _inode_of(port)
        for process in Path("/proc").glob("[0-9]*"):
            if inode is not None and _holds(process, inode):
                return f"process {process.name} ({(process / 'comm').read_text().strip()})"
    return f"another process (netlink port {port})"


def _bind(number: int, length: int, answer: Callable[[Any], None]) -> Any:  # noqa: ANN401
    try:
        # Replay has to work on machines that lack the library.
        from netfilterqueue import NetfilterQueue  # noqa: PLC0415
    except ImportError as error:
        raise QueueError(f"NetfilterQueue cannot be loaded: {error}; install it with libnetfilter_queue") from None
    queue = None
    try:
        queue = NetfilterQueue()
        queue.bind(number, answer, max_len=length)
    except OSError as error:
        del queue
        raise QueueError(_why(number, error)) from None
    return queue


def _pass(packet: Any) -> None:  # noqa: ANN401
    """A packet that came while the library still waited for the kernel's answer to its last setting.

    It passes, as all did until then; unanswered it would wait until the queue goes. The library's loop is never run.
    """
    packet.accept()


def _why(number: int, error: OSError) -> str:
    """The likeliest cause: the library's errors carry no errno."""
    if not _may_administrate():
        return f"queue {number}: CAP_NET_ADMIN is missing; run as root or grant the capability"
    if not QUEUES.exists():
        return f"queue {number}: the kernel has no NFQUEUE here; modprobe nfnetlink_queue xt_NFQUEUE"
    holder = owner(number)
    if holder is not None:
        return f"queue {number} is in use by {holder}; stop it or set queue.first"
    return f"queue {number}: {error}"


def _may_administrate() -> bool:
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("CapEff:"):
                return bool(int(line.split()[1], 16) >> CAP_NET_ADMIN & 1)
    return True


def _line_of(number: int) -> list[str] | None:
    """The columns: number, netlink port, waiting, copy mode, copy range, dropped full, dropped socket, id sequence."""
    with contextlib.suppress(OSError):
        for line in QUEUES.read_text().splitlines():
            words = line.split()
            if len(words) >= _COLUMNS and words[0] == str(number):
                return words
    return None


def _inode_of(port: int) -> str | None:
    for line in NETLINK_SOCKETS.read_text().splitlines()[1:]:
        words = line.split()
        if words[1] == str(NETLINK_NETFILTER) and words[2] == str(port):
            return words[-1]
    return None


def _holds(process: Path, inode: str) -> bool:
    with contextlib.suppress(OSError):
        return any(entry.readlink().name == f"socket:[{inode}]" for entry in (process / "fd").iterdir())
    return False


def _close_on_exec(fd: int) -> None:
    fcntl.fcntl(fd, fcntl.F_SETFD, fcntl.fcntl(fd, fcntl.F_GETFD) | fcntl.FD_CLOEXEC)


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def _config_message(number: int, length: int, sequence: int, *, fail_open: bool) -> bytes:
    body = struct.pack(">BBH", socket.AF_UNSPEC, 0, number)
    body += _attribute(_CFG_PARAMS, struct.pack(">IB", COPY_RANGE, _COPY_PACKET))
    body += _attribute(_CFG_QUEUE_MAXLEN, struct.pack(">I", length))
    body += _attribute(_CFG_MASK, struct.pack(">I", _FAIL_OPEN))
    body += _attribute(_CFG_FLAGS, struct.pack(">I", _FAIL_OPEN if fail_open else 0))
    return struct.pack("=IHHII", 16 + len(body), _MSG_CONFIG, _REQUEST_ACK, sequence, 0) + body


def _configure(side: socket.socket, number: int, length: int, early: list[bytes], *, fail_open: bool) -> None:
    """Sends the configuration and waits for the kernel's answer; packets that come before it go to ``early``."""
    side.setsockopt(_SOL_NETLINK, _NETLINK_NO_ENOBUFS, 1)
    side.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, min(max(length, 1024) * _BUFFER_PER_PACKET, _BUFFER_MOST))
    sequence = 0x53495053
    side.send(_config_message(number, length, sequence, fail_open=fail_open))
    deadline = time.monotonic() + ACK_SECONDS
    while True:
        refused = _read_answer(side, sequence, early)
        if refused is not None:
            break
        if time.monotonic() > deadline:
            raise QueueError(f"queue {number}: the kernel did not answer the configuration within {ACK_SECONDS:g} s")
        time.sleep(0.001)
    if refused:
        raise QueueError(f"queue {number}: the kernel refused the configuration: {os.strerror(refused)}")


def _read_answer(side: socket.socket, sequence: int, early: list[bytes]) -> int | None:
    """The errno of the acknowledgement, 0 when all is well, None when it has not come yet."""
    while True:
        try:
            datagram = side.recv(DATAGRAM, socket.MSG_DONTWAIT)
        except OSError as error:
            if error.errno in {errno.EAGAIN, errno.EINTR}:
                return None
            raise QueueError(f"reading the queue's configuration failed: {error.strerror}") from None
        size, kind, _flags, answered, _port = struct.unpack_from("=IHHII", datagram)
        if kind == _NLMSG_ERROR and answered == sequence and size >= 20:  # noqa: PLR2004
            return -int(struct.unpack_from("=i", datagram, 16)[0])
        early.append(datagram)
