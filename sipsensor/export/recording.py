"""Packets to pcap files of our own: the recording of everything that was judged, and the quarantine of what could not be.

Both are classic pcap with the nanosecond magic and link type LINUX_SLL2, mode 0600, because packets hold digests, keys and numbers. The
SLL2 header says how the packet reached us (packet type 0 inbound, 4 outbound, 3 forged) and carries a mark in place of a link-layer
address: ``SIPSEN``, then the verdict of the policy (0 accept, 1 drop). ``sources.pcap`` reads it back, so a replay knows the direction.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO, Protocol

from sipsensor.model import Arrival, Verdict

MARK = b"SIPSEN"

_LINUX_SLL2 = 276
FILE_HEADER = struct.pack("=IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, _LINUX_SLL2)
"""What every file begins with."""
_RECORD = struct.Struct("=IIII")
_SLL2 = struct.Struct(">HHIHBB8s")
_ARPHRD_NONE = 0xFFFE
_PACKET_TYPES = {Arrival.OUTBOUND: 4, Arrival.FORGED: 3}
_ETHERTYPES = {4: 0x0800, 6: 0x86DD}
_NANOSECONDS = 1_000_000_000


class Writable(Protocol):
    """Where bytes go: a file, or something in front of one."""

    def write(self, data: bytes, /) -> int:
        """Takes all of ``data``, which is whole records."""
        ...


def create(path: Path) -> BinaryIO:
    """An empty file that only its owner may read; what stood there is gone. Raises OSError."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    os.fchmod(file, 0o600)
    return os.fdopen(file, "wb", buffering=0)


def record(data: bytes, ts: int, wire_length: int, arrival: int, verdict: int) -> bytes:
    """One packet, from its IP header up, as a record of the file. ``ts`` in ns since the epoch; the original length counts as it was."""
    seconds, fraction = divmod(ts, _NANOSECONDS)
    version = data[0] >> 4 if data else 0
    head = _SLL2.pack(
        _ETHERTYPES.get(version, 0),
        0,
        0,
        _ARPHRD_NONE,
        _PACKET_TYPES.get(Arrival(arrival), 0),
        8,
        MARK + bytes((verdict, 0)),
    )
    size = _SLL2.size + len(data)
    return _RECORD.pack(seconds, fraction, size, max(_SLL2.size + wire_length, size)) + head + data


class Recording:
    """Every packet with its verdict, in the order in which they were judged."""

    def __init__(self, target: Writable) -> None:
        self._target = target
        self.packets = 0
        target.write(FILE_HEADER)

    def write(self, data: bytes, ts: int, wire_length: int, arrival: int, verdict: int) -> None:
        """Append one packet; arguments as for ``record``."""
        self._target.write(record(data, ts, wire_length, arrival, verdict))
        self.packets += 1


class Quarantine:
    """The first packets on which the engine failed, for a bug report: at most ``packets`` of them and ``size`` bytes of file."""

    def __init__(self, target: Writable, packets: int, size: int) -> None:
        self._target = target
        self._left = packets
        self._room = size - len(FILE_HEADER)
        self.kept = 0
        self.refused = 0
        """Packets for which there was no room."""
        target.write(FILE_HEADER)

    def keep(self, data: bytes, ts: int, wire_length: int, arrival: int) -> None:
        """Append one packet, where there is room left. The verdict is written as accept: there was none."""
        entry = record(data, ts, wire_length, arrival, Verdict.ACCEPT)
        if self._left < 1 or len(entry) > self._room:
            self.refused += 1
            return
        self._target.write(entry)
        self._left -= 1
        self._room -= len(entry)
        self.kept += 1


def set_aside(path: Path) -> None:
    """Move what an earlier run left at ``path`` to the same name with ``.old`` behind it, unless it is empty. Raises OSError."""
    remove_empty(path)
    if path.exists():
        path.replace(path.with_name(path.name + ".old"))


def remove_empty(path: Path) -> None:
    """Remove a file of ours in which there is no packet. Raises OSError."""
    if path.exists() and path.stat().st_size <= len(FILE_HEADER):
        path.unlink()
