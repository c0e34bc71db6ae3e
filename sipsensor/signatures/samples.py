"""Reads the samples of a rule, and puts them on the wire: payloads of datagrams in IP packets, examined as captured ones would be."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from sipsensor.fastpath import examine
from sipsensor.model import AppProtocol, Packet
from sipsensor.signatures.problems import Problems, shown
from sipsensor.signatures.schema import Sample

_SAMPLE_KEYS = frozenset(["name", "text", "hex"])
_MAX_SAMPLE = 65_507  # bytes of UDP payload in an IPv4 packet
LINK_RAW = 101
_SENDER, _RECEIVER = bytes([198, 51, 100, 7]), bytes([192, 0, 2, 10])  # addresses for documentation, RFC 5737
_PORTS = {AppProtocol.SIP: 5060, AppProtocol.IAX2: 4569}
_UDP = 17
_IP_HEADER, _UDP_HEADER = 20, 8


def read_samples(
    table: Mapping[str, Any], problems: Problems, needed: int
) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    """A rule's ``samples.match`` and ``samples.pass``, at least ``needed`` of each."""
    samples = problems.take(table, "samples", dict)
    if samples is None:
        return (), ()
    problems.unknown(samples, ["match", "pass"], "samples.")
    read = []
    for key in ("match", "pass"):
        entries = samples.get(key, [])
        if not isinstance(entries, list) or len(entries) < needed:
            problems.add(
                f"samples.{key}",
                f"needs {needed} or more; a rule of high confidence has two of each sort, any other one",
            )
            entries = []
        read.append(_sample_list(entries, problems, f"samples.{key}"))
    seen = [sample.name for part in read for sample in part]
    for name in sorted({name for name in seen if seen.count(name) > 1}):
        problems.add("samples", f"two are called {shown(name)}; rename one")
    return read[0], read[1]


def _sample_list(entries: list[object], problems: Problems, path: str) -> tuple[Sample, ...]:
    samples = []
    for number, entry in enumerate(entries):
        sample = _sample(entry, problems, f"{path}[{number}]")
        if sample is not None:
            samples.append(sample)
    payloads = [sample.payload for sample in samples]
    if len(set(payloads)) != len(payloads):
        problems.add(path, "holds the same message twice; one of them shows nothing")
    return tuple(samples)


def _sample(entry: object, problems: Problems, path: str) -> Sample | None:
    """``text`` is written with LF and sent with CRLF; ``hex`` is sent as it is."""
    if not isinstance(entry, dict):
        problems.add(path, "is not a table; write name and text")
        return None
    problems.unknown(entry, _SAMPLE_KEYS, f"{path}.")
    name = problems.take(entry, "name", str, f"{path}.name")
    if ("text" in entry) == ("hex" in entry):
        problems.add(path, "needs text or hex, and not both")
        return None
    if "text" in entry:
        text = problems.take(entry, "text", str, f"{path}.text")
        payload = (text or "").replace("\r\n", "\n").replace("\n", "\r\n").encode()
    else:
        payload = _from_hex(problems.take(entry, "hex", str, f"{path}.hex") or "", problems, path)
    if not 0 < len(payload) <= _MAX_SAMPLE:
        problems.add(path, f"is {len(payload)} bytes long; a datagram holds 1 to {_MAX_SAMPLE}")
        return None
    return None if not name else Sample(name, payload)


def _from_hex(text: str, problems: Problems, path: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        problems.add(f"{path}.hex", "is not pairs of hex digits")
        return b""


def as_packet(payload: bytes, protocol: AppProtocol = AppProtocol.SIP) -> Packet:
    """The payload as one UDP datagram from 198.51.100.7 to 192.0.2.10, the protocol's port on both sides, with link type raw IP and at
    time 0.
    """
    port = _PORTS[protocol]
    udp = struct.pack("!HHHH", port, port, _UDP_HEADER + len(payload), 0) + payload
    header = struct.pack("!BBHHHBBH", 0x45, 0, _IP_HEADER + len(udp), 0, 0, 64, _UDP, 0) + _SENDER + _RECEIVER
    return Packet(0, header + udp, LINK_RAW)


def messages_of(
    examiner: examine.Examiner, payload: bytes, protocol: AppProtocol = AppProtocol.SIP
) -> list[examine.Examined]:
    """The messages of one datagram, as the engine would see them."""
    messages = []
    examined: examine.Examined | None = examiner.examine(as_packet(payload, protocol))
    while examined is not None:
        messages.append(examined)
        examined = examined.following()
    return messages
