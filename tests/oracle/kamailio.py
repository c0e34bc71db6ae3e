"""A Kamailio that tells what it reads, alone in a network namespace: a mutated Via must not make it send anything anywhere.

Run as a script (in that namespace) it takes batches of messages as lines of JSON, hexadecimal, and answers each with the replies.
"""

from __future__ import annotations

import contextlib
import json
import re
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

FOLDER = Path(__file__).parent
PORT = 5060
OWN_PORT = b"@PORT@"
"""Stands in a message for the port that it is sent from."""
_SAID = re.compile(rb"(?m)^X-([a-z.-]+): ([0-9A-Fa-f]*)\r$")


class Kamailio:
    """Asks the one in the namespace."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def read(self, messages: Sequence[bytes]) -> list[dict[str, bytes] | None]:
        """By field what it read in each message; None where it gave no answer."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps([message.hex() for message in messages]) + "\n")
        self._process.stdin.flush()
        replies = json.loads(self._process.stdout.readline())
        return [None if reply is None else _said(bytes.fromhex(reply)) for reply in replies]


def _said(reply: bytes) -> dict[str, bytes]:
    return {name.decode(): bytes.fromhex(value.decode()) for name, value in _SAID.findall(reply)}


@contextlib.contextmanager
def kamailio() -> Iterator[Kamailio]:
    """One in a namespace of its own until the end. Wants root."""
    command = ["unshare", "--net", sys.executable, __file__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Kamailio(process)
        finally:
            assert process.stdin
            process.stdin.close()
            process.wait(20)


def serve() -> None:
    """In the namespace: start it, pass messages on, end it."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with tempfile.TemporaryDirectory() as folder, Path(folder, "log").open("w") as log:
        command = [
            "kamailio",
            "-f",
            str(FOLDER / "kamailio.cfg"),
            "-DD",
            "-E",
            "-m",
            "32",
            "-M",
            "4",
            "-Y",
            folder,
            "-w",
            folder,
        ]
        server = subprocess.Popen(
            [*command, "-l", f"udp:127.0.0.1:{PORT}"], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            sockets: list[socket.socket] = []
            for line in sys.stdin:
                messages = [bytes.fromhex(text) for text in json.loads(line)]
                while len(sockets) < len(messages):
                    sockets.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                    sockets[-1].bind(("127.0.0.1", 0))
                sys.stdout.write(json.dumps([reply and reply.hex() for reply in _ask(sockets, messages)]) + "\n")
                sys.stdout.flush()
        finally:
            server.terminate()
            server.wait(10)


def _ask(sockets: Sequence[socket.socket], messages: Sequence[bytes]) -> list[bytes | None]:
    replies: list[bytes | None] = [None] * len(messages)
    waiting = {}
    for number, (one, message) in enumerate(zip(sockets, messages, strict=False)):
        while select.select([one], [], [], 0)[0]:
            with contextlib.suppress(OSError):
                one.recv(65_535)
        port = str(one.getsockname()[1]).encode()
        one.sendto(message.replace(OWN_PORT, port), ("127.0.0.1", PORT))
        waiting[one] = number
    deadline = time.monotonic() + 0.3
    while waiting and (left := deadline - time.monotonic()) > 0:
        for one in select.select(list(waiting), [], [], left)[0]:
            number = waiting.pop(one)
            with contextlib.suppress(OSError):
                replies[number] = one.recv(65_535)
    return replies


if __name__ == "__main__":
    serve()
