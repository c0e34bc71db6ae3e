"""How many packets met the queueing rules, whoever made them: by the number of the queue, anywhere in the mangle table or in nft."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sipsensor.enforce.rules.limits import FALLEN, LIMITED, SOURCES
from sipsensor.enforce.rules.table import TABLE

_SAVED = re.compile(r"^\[(?P<packets>\d+):\d+\] -A (?P<rule>.*)$")
_QUEUE = re.compile(r"-j NFQUEUE\b.*--queue-num (?P<number>\d+)")
_UDP = re.compile(r"(?<!! )-p udp\b")
_NFT_QUEUE = re.compile(r"\bqueue (?:flags [\w,]+ )?(?:num |to )(?P<first>\d+)(?:-(?P<last>\d+))?")


class Counts(NamedTuple):
    """Packets since the rules were made; whoever adds them up over time re-bases when they were put back."""

    udp: tuple[int, int]
    """That met the queueing rules for UDP: strangers, trusted."""
    other: tuple[int, int]
    """That met those for TCP, or for whatever is not UDP alone."""
    limited: int
    """Strangers' packets above the limits of all: dropped, or let through without a look (observe)."""
    sources: int = 0
    """Strangers' packets above the limit of their source: dropped, or only counted (observe)."""
    fallen: int = 0
    """Packets of the trusted above their limits: they took the strangers' queue."""


class Met(Counter[tuple[int, bool]]):
    """Packets by (queue number, whether the rule is for UDP alone)."""

    def counts(self, queues: tuple[int, int], named: Mapping[str, int]) -> Counts:
        """The same for one sensor, with the counters of its table by name."""
        first, second = queues
        return Counts(
            (self[first, True], self[second, True]),
            (self[first, False], self[second, False]),
            limited=sum(named.get(name, 0) for name in LIMITED),
            sources=named.get(SOURCES, 0),
            fallen=named.get(FALLEN, 0),
        )


def of_iptables(saved: str) -> Met:
    """From ``iptables-save -c -t mangle``."""
    met = Met()
    for line in saved.splitlines():
        found = _SAVED.match(line)
        queue = _QUEUE.search(found["rule"]) if found else None
        if found and queue:
            met[int(queue["number"]), bool(_UDP.search(found["rule"]))] += int(found["packets"])
    return met


def of_nft(listed: str, table: str = "") -> Met:
    """From ``nft -j list ruleset``, or of one inet table of it: the counter that stands before a queue statement."""
    objects = objects_of(listed)
    named = {
        (it["counter"]["family"], it["counter"]["table"], it["counter"]["name"]): int(it["counter"]["packets"])
        for it in objects
        if "counter" in it
    }
    met = Met()
    for rule in (it["rule"] for it in objects if "rule" in it):
        if table and (rule["family"], rule["table"]) != ("inet", table):
            continue
        packets, udp = 0, False
        for statement in rule.get("expr", ()):
            if "counter" in statement:
                packets = _packets(statement["counter"], named, (rule["family"], rule["table"]))
            elif "match" in statement:
                udp = udp or _matches_udp(statement["match"])
            elif "queue" in statement:
                number = (statement["queue"] or {}).get("num")
                if isinstance(number, int):
                    met[number, udp] += packets
    return met


def named(listed: str) -> dict[str, int]:
    """The counters of our table by name, from ``nft -j list ruleset`` or a part of it."""
    return {
        it["counter"]["name"]: int(it["counter"]["packets"])
        for it in objects_of(listed)
        if "counter" in it and (it["counter"]["family"], it["counter"]["table"]) == ("inet", TABLE)
    }


def objects_of(listed: str) -> list[dict[str, Any]]:
    """What ``nft -j`` listed, object by object; none when it is no such list."""
    try:
        found = json.loads(listed).get("nftables", [])
    except (ValueError, AttributeError):
        return []
    return [it for it in found if isinstance(it, dict)]


def queues_of(lines: Iterable[str]) -> set[int]:
    """The numbers of the queues that rules send packets to, as iptables or nft write them."""
    numbers: set[int] = set()
    for line in lines:
        for pattern in (r"--queue-num (\d+)", r"--queue-balance (\d+):(\d+)"):
            for found in re.finditer(pattern, line):
                numbers.update(range(int(found[1]), int(found[found.lastindex or 1]) + 1))
        for found in _NFT_QUEUE.finditer(line):
            numbers.update(range(int(found["first"]), int(found["last"] or found["first"]) + 1))
    return numbers


def _packets(counter: Any, named: dict[tuple[str, str, str], int], table: Sequence[str]) -> int:  # noqa: ANN401 - JSON
    """Of a counter in a rule, which has a name or holds its own numbers."""
    if isinstance(counter, str):
        return named.get((table[0], table[1], counter), 0)
    return int(counter["packets"]) if isinstance(counter, dict) and "packets" in counter else 0


def _matches_udp(match: dict[str, Any]) -> bool:
    """Whether a match lets nothing but UDP on."""
    left = match.get("left", {})
    if match.get("op") not in ("==", "in") or not isinstance(left, dict):
        return False
    if left.get("meta", {}).get("key") == "l4proto" or left.get("payload", {}).get("field") in ("protocol", "nexthdr"):
        return match.get("right") in ("udp", 17)
    return bool(left.get("payload", {}).get("protocol") == "udp")
