"""Asks a running sensor."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Mapping

from sipsensor.control import ControlError
from sipsensor.control.server import ANSWER_MOST

_CHUNK = 65536
_PAUSE = 0.05


def ask(
    path: str, command: str, arguments: Mapping[str, object] | None = None, timeout: float = 5.0
) -> dict[str, object]:
    """What the sensor at the socket ``path`` answers. ``timeout`` in seconds, for all of it.

    Raises ControlError when nobody answers in time, when what answers is no sensor, and for what the sensor refuses.
    """
    request = json.dumps({"command": command, "arguments": dict(arguments or {})}).encode() + b"\n"
    try:
        answer = json.loads(_exchange(path, request, timeout))
    except (OSError, ValueError) as error:
        raise ControlError(_why(path, error)) from None
    if not isinstance(answer, dict) or not isinstance(answer.get("answer"), dict):
        refusal = answer.get("error") if isinstance(answer, dict) else None
        if isinstance(refusal, str):
            raise ControlError(f"{path}: {refusal}")
        raise ControlError(f"{path}: what answers there is no sensor; name the sensor's socket with --socket")
    found: dict[str, object] = answer["answer"]
    return found


def _exchange(path: str, request: bytes, timeout: float) -> bytes:
    """One line for one line."""
    deadline = time.monotonic() + timeout
    received = bytearray()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(timeout)
        _connect(asking, path, deadline)
        asking.sendall(request)
        while not received.endswith(b"\n") and len(received) <= ANSWER_MOST:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            asking.settimeout(left)
            data = asking.recv(_CHUNK)
            if not data:
                break
            received += data
    return bytes(received)


def _connect(asking: socket.socket, path: str, deadline: float) -> None:
    """Where so many ask that one more cannot wait, the kernel says so at once instead of letting him wait."""
    while True:
        try:
            asking.connect(path)
        except BlockingIOError:
            if time.monotonic() + _PAUSE >= deadline:
                raise TimeoutError from None
            time.sleep(_PAUSE)
        else:
            return


def _why(path: str, error: Exception) -> str:
    if isinstance(error, FileNotFoundError | NotADirectoryError | ConnectionRefusedError):
        return (
            f"{path}: no sensor runs there; start one with sipsensor run, or name its socket with --socket or --config"
        )
    if isinstance(error, PermissionError):
        return f"{path}: permission denied; ask as root, or as a member of the group that owns the socket"
    if isinstance(error, TimeoutError):
        return f"{path}: the sensor does not answer in time; look at its log"
    if isinstance(error, OSError):
        return f"{path}: {error.strerror or error}; name the sensor's socket with --socket or --config"
    return f"{path}: what answers there is no sensor; name the sensor's socket with --socket"
