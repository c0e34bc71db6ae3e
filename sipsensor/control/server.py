"""The control socket's server: one thread, a selector, and a cap on everything that a client may do.

It competes with the packet loop for the interpreter, so it sleeps unless somebody asks, or ``tick`` is due.
"""

from __future__ import annotations

import contextlib
import errno
import json
import selectors
import socket
import stat
import struct
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

from sipsensor.control import ControlError

REQUEST_MOST = 4096
"""Bytes of one request, its newline included."""
ANSWER_MOST = 1 << 20
SECONDS = 5.0
"""Seconds that one connection may take, from accepting it to the last byte."""
CONNECTIONS_MOST = 16
MODE = 0o660
_BACKLOG = 128

_CREDENTIALS = struct.Struct("3i")


class Peer(NamedTuple):
    """Who asks, as the kernel says it: his process, user and group when he connected."""

    pid: int
    uid: int
    gid: int


Command = Callable[[Mapping[str, object], Peer], Mapping[str, object]]
"""Takes the arguments of a request, and gives what JSON can write. ValueError is an error of who asked: its text is the answer."""


class Server:
    """Answers ``commands`` on a Unix socket at ``path``, mode 0660, from a thread of its own until ``close``.

    ``tick`` is called every ``every`` seconds in that thread. What commands and ``tick`` raise goes to ``complain`` and no further.
    Raises ControlError when the socket cannot be made. One that a dead server left is replaced.
    """

    def __init__(
        self,
        path: str,
        commands: Mapping[str, Command],
        *,
        tick: Callable[[], object] | None = None,
        every: float = 1.0,
        complain: Callable[[BaseException], object] = lambda _: None,
    ) -> None:
        self._commands = commands
        self._tick = tick
        self._every = every
        self._complain = complain
        self._path = Path(path)
        self._listener = _listen(self._path)
        self._inode = self._path.stat().st_ino
        self._ours, self._waker = socket.socketpair()
        self._connections: set[_Connection] = set()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._ours, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._serve, name="control", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving and take the socket away. A second call is harmless."""
        with contextlib.suppress(OSError):
            self._waker.send(b".")
        self._thread.join(SECONDS)
        if self._thread.is_alive():
            return  # a command hangs; the process ends with it
        with contextlib.suppress(OSError):
            if self._path.stat().st_ino == self._inode:
                self._path.unlink()
        for connection in list(self._connections):
            self._drop(connection)
        self._selector.close()
        for each in (self._listener, self._ours, self._waker):
            each.close()

    # --- the thread

    def _serve(self) -> None:
        due = time.monotonic()
        serves = True
        while serves:
            now = time.monotonic()
            if self._tick is not None and now >= due:
                self._guarded(self._tick)
                due = max(due + self._every, now)
            self._expire(now)
            for key, _ in self._selector.select(self._patience(now, due)):
                if key.fileobj is self._ours:
                    serves = False
                elif key.fileobj is self._listener:
                    self._guarded(self._accept)
                else:
                    self._guarded(partial(self._go_on, key.data))

    def _patience(self, now: float, due: float) -> float | None:
        """Seconds until something is to be done though nobody asks."""
        deadlines = [connection.deadline for connection in self._connections]
        if self._tick is not None:
            deadlines.append(due)
        return max(0.0, min(deadlines) - now) if deadlines else None

    def _guarded(self, call: Callable[[], object]) -> None:
        try:
            call()
        except Exception as error:  # noqa: BLE001 - a fault in here must not end the thread, let alone the sensor
            with contextlib.suppress(Exception):
                self._complain(error)

    def _accept(self) -> None:
        try:
            accepted, _ = self._listener.accept()
        except OSError:
            # Out of descriptors, or gone again. Without the pause the first would be a busy loop.
            time.sleep(0.01)
            return
        accepted.setblocking(False)  # noqa: FBT003
        try:
            connection = _Connection(accepted, time.monotonic() + SECONDS)
        except OSError:
            accepted.close()
            return
        if len(self._connections) >= CONNECTIONS_MOST:
            # Who asks and waits is gone within milliseconds: the oldest is the one that stalls.
            self._drop(min(self._connections, key=lambda each: each.deadline))
        self._connections.add(connection)
        self._selector.register(accepted, selectors.EVENT_READ, connection)

    def _go_on(self, connection: _Connection) -> None:
        """Read or write what is possible now."""
        try:
            if connection.waiting:
                connection.send()
            elif not connection.receive():
                self._drop(connection)
                return
        except BlockingIOError:
            return
        except OSError:
            self._drop(connection)
            return
        self._answer(connection)

    def _answer(self, connection: _Connection) -> None:
        """Answer the requests that are complete, one after another, each once the answer before it is out."""
        try:
            while not connection.waiting and (request := connection.request()) is not None:
                connection.waiting = memoryview(self._answer_to(request, connection.peer))
                connection.send()
        except BlockingIOError:
            pass
        except OSError:
            self._drop(connection)
            return
        if connection.is_over and not connection.waiting:
            self._drop(connection)
            return
        events = selectors.EVENT_WRITE if connection.waiting else selectors.EVENT_READ
        self._selector.modify(connection.socket, events, connection)

    def _answer_to(self, request: bytes, peer: Peer) -> bytes:
        try:
            if len(request) >= REQUEST_MOST:
                return _error(f"the request is longer than {REQUEST_MOST} bytes")
            name, arguments = _read(request)
            command = self._commands.get(name)
            if command is None:
                return _error(f"there is no command {name[:64]!r}; there are {', '.join(self._commands)}")
            answer = _line({"answer": command(arguments, peer)})
            return answer if len(answer) <= ANSWER_MOST else _error(f"the answer is longer than {ANSWER_MOST} bytes")
        except ValueError as error:
            return _error(str(error))
        except Exception as error:  # noqa: BLE001 - a fault of a command is answered, told, and over
            with contextlib.suppress(Exception):
                self._complain(error)
            return _error(f"the command failed: {type(error).__name__}")

    def _expire(self, now: float) -> None:
        for connection in [each for each in self._connections if each.deadline <= now]:
            self._drop(connection)

    def _drop(self, connection: _Connection) -> None:
        self._connections.discard(connection)
        with contextlib.suppress(KeyError, ValueError, OSError):
            self._selector.unregister(connection.socket)
        connection.socket.close()


class _Connection:
    """One client: what he sent and what he still has to get."""

    def __init__(self, accepted: socket.socket, deadline: float) -> None:
        self.socket = accepted
        self.deadline = deadline
        self.peer = Peer(*_CREDENTIALS.unpack(accepted.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)))
        self.waiting = memoryview(b"")
        self.is_over = False
        """Nothing more is read: he has shut his end, or sent too much."""
        self._received = b""

    def receive(self) -> bool:
        """Read what is there; False when there is nothing left to do for him."""
        data = self.socket.recv(REQUEST_MOST)
        self.is_over = not data
        self._received += data
        return bool(data)

    def request(self) -> bytes | None:
        """The next whole line; one that is too long ends the connection, and is given as it is."""
        line, newline, rest = self._received.partition(b"\n")
        if not newline and len(self._received) < REQUEST_MOST:
            return None
        self._received = rest
        if not newline or len(line) >= REQUEST_MOST:
            self.is_over = True
            self._received = b""
        return line

    def send(self) -> None:
        """Write what he takes. Raises BlockingIOError when he takes nothing now."""
        while self.waiting:
            self.waiting = self.waiting[self.socket.send(self.waiting) :]


def _read(request: bytes) -> tuple[str, Mapping[str, object]]:
    """Command and arguments. Raises ValueError."""
    try:
        asked = json.loads(request)
    except (ValueError, RecursionError):
        raise ValueError("the request is no JSON") from None
    if not isinstance(asked, dict) or not isinstance(asked.get("command"), str):
        raise ValueError('the request is not {"command": NAME, "arguments": {...}}')  # noqa: TRY004 - it came from outside
    arguments = asked.get("arguments", {})
    if not isinstance(arguments, dict):
        raise ValueError("the arguments are no object")  # noqa: TRY004
    return asked["command"], arguments


def _line(answer: Mapping[str, object]) -> bytes:
    return json.dumps(answer, separators=(",", ":")).encode() + b"\n"


def _error(text: str) -> bytes:
    return _line({"error": text})


def _listen(path: Path) -> socket.socket:
    """The bound socket. Raises ControlError."""
    key = f"control.socket: {path}"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _clear(path, key)
        listener.bind(str(path))
        # Between these two nobody can connect yet: that takes listen().
        path.chmod(MODE)
        listener.listen(_BACKLOG)
        listener.setblocking(False)  # noqa: FBT003
    except (OSError, ValueError) as error:
        listener.close()
        what = (error.strerror if isinstance(error, OSError) else None) or error
        if isinstance(error, FileExistsError):
            what = f"{path.parent} is no directory"
        remedy = 'name a path this user may write, or "" for none'
        raise ControlError(f"{key}: cannot be opened: {what}; {remedy}") from None
    except ControlError:
        listener.close()
        raise
    return listener


def _clear(path: Path, key: str) -> None:
    """Remove the socket that a dead server left. Raises ControlError when something else is there."""
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise ControlError(f"{key}: is no socket; name another path, or move that file away")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(1)
        code = asking.connect_ex(str(path))
    if code == errno.EACCES:
        raise ControlError(f"{key}: is another user's; name another path, or remove it")
    if code not in {errno.ECONNREFUSED, errno.ENOENT}:
        raise ControlError(f"{key}: another sensor answers there; stop it, or name another path")
    path.unlink(missing_ok=True)
