"""What the demo claims, each held against what this run measured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.lab.demo.side import Side
from tests.lab.network import ATTACKER, PHONE

Samples = Mapping[str, float]
"""Sample lines of the metrics endpoint: name with labels, and value."""

SHOWN = (
    "sipsensor_packets_total",
    "sipsensor_verdicts_total",
    "sipsensor_drops_total",
    "sipsensor_alerts_total",
)
ALWAYS_SHOWN = (
    "sipsensor_uninspected_packets_total",
    "sipsensor_queue_lost_packets_total",
    "sipsensor_engine_errors_total",
)
"""The metrics that are worth a look here; of the second lot also the zeros."""


@dataclass(frozen=True)
class Evidence:
    """What the sensor said and left. ``status`` and ``stopped`` are exit statuses: of ``sipsensor status``, and its own."""

    samples: Samples
    events: list[dict[str, dict[str, str]]]
    told: str
    status: int
    stopped: int
    rules_before: str
    rules_after: str

    def total(self, name: str) -> float:
        """A metric, summed over those of its labels that are not named. Raises AssertionError when there is none of that name."""
        plain = name.rstrip("}")
        found = [value for sample, value in self.samples.items() if _is(sample, plain)]
        assert found, f"the metrics hold no {name}"
        return sum(found)


def _is(sample: str, plain: str) -> bool:
    name, _, labels = plain.partition("{")
    own, _, its = sample.rstrip("}").partition("{")
    return own == name and set(filter(None, labels.split(","))) <= set(its.split(","))


def samples(exposed: str) -> dict[str, float]:
    """The lines of a metrics endpoint."""
    lines = (line.rpartition(" ") for line in exposed.splitlines() if line and line[0] != "#")
    return {name: float(value) for name, _, value in lines}


def events(file: Path) -> list[dict[str, dict[str, str]]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def worth_showing(read: Samples) -> list[tuple[str, str]]:
    return [
        (sample, f"{value:g}")
        for name in SHOWN + ALWAYS_SHOWN
        for sample, value in read.items()
        if sample.partition("{")[0] == name and (value or name in ALWAYS_SHOWN)
    ]


def claims(without: Side, with_it: Side, evidence: Evidence) -> list[tuple[str, bool]]:
    """Each claim in words with its figures, and whether it holds."""
    sent, arrived = with_it.packets(ATTACKER[4])
    dropped = evidence.total('sipsensor_drops_total{reason="SIGNATURE"}')
    unseen = evidence.total("sipsensor_uninspected_packets_total")
    blamed = {str(event["src_ip"]) for event in evidence.events if "alert" in event}
    blocked = [event for event in evidence.events if event.get("alert", {}).get("action") == "blocked"]
    return [
        ("without: the attacker found the PBX, its accounts, and a password", _broken_into(without)),
        (f"with: the attacker found {_loot(with_it)}", all(one.nothing for one in with_it.found.values())),
        (f"with: {arrived} of the attacker's {sent} packets reached the PBX", arrived == 0 < sent),
        (f"{dropped:g} packets were dropped by a signature: every one of the attacker's", dropped == sent),
        (f"the event log tells of {len(blocked)} of them, and accuses nobody else", _fair(blamed, blocked)),
        *(
            (f"{side.name}: {_phoned(side)}", side.calls > 0 and _whole(side.packets(PHONE[4])))
            for side in (without, with_it)
        ),
        (
            f"{unseen:g} packets passed it uninspected; its status tells of no trouble",
            not unseen + evidence.status,
        ),
        (
            f"told to stop, it ended with exit {evidence.stopped}, and its kernel rules are gone",
            evidence.stopped == 0 and evidence.rules_before == evidence.rules_after,
        ),
    ]


def _fair(blamed: set[str], blocked: list[dict[str, dict[str, str]]]) -> bool:
    return blamed == {ATTACKER[4]} and bool(blocked)


def _broken_into(side: Side) -> bool:
    rows = {tool: one.rows for tool, one in side.found.items()}
    names = {name for name, _ in rows["svwar"]}
    return bool(rows["svmap"]) and names == {"201", "202"} and rows["svcrack"] == (("202", "202"),)


def _loot(side: Side) -> str:
    return "; ".join(dict.fromkeys(one.words() for one in side.found.values()))


def _phoned(side: Side) -> str:
    sent, arrived = side.packets(PHONE[4])
    return f"{side.phoned()}, none failed, {arrived} of {sent} packets there"


def _whole(packets: tuple[int, int]) -> bool:
    sent, arrived = packets
    return sent == arrived > 0
