"""``sipsensor bench``: what a packet costs on this machine."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from sipsensor import __version__
from sipsensor.app import calm_collector
from sipsensor.bench import offline, queue
from sipsensor.cli import options, output

FLOORS = {"packet": "split", "file": "read", "queue": "accept"}
"""What each part is compared with: the first of its figures."""
WORDS = {
    "packet": {
        "split": "a REGISTER, its head split in plain Python (floor)",
        "examine": "examined: scanned and matched with all signatures",
        "judge": "judged: examined, and everything after it",
    },
    "file": {
        "read": "a capture, 80 % media, read (floor)",
        "replay": "replayed",
    },
    "queue": {
        "accept": "a queued packet, examined and accepted (floor)",
        "strangers": "a stranger's request, judged",
        "registered": "of registered phones: requests and answers",
    },
}
Figures = Mapping[str, Mapping[str, float]]


@click.command("bench")
@options.config
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of tables.")
@click.option("--offline", "without_queue", is_flag=True, help="Leave the live queue out, as root too.")
def command(*, config_file: Path | None, as_json: bool, without_queue: bool) -> None:
    """Measure what a packet costs on this machine, in a few seconds.

    Examines and judges REGISTERs, replays a capture file, and as root reads a netfilter queue, each beside the least that would have
    to be done. The ratios can be compared between machines; the absolute figures are of this machine and its load. Times are of the
    processor, medians of interleaved rounds.

    The queue is in a network namespace of its own: nothing is sent to any network, a sensor that runs is not disturbed, and nothing
    stays. Of the configuration the signatures and rules count; its budgets are widened, so that every packet is judged to the end.
    """
    settings = options.settings_of(config_file)
    calm_collector()
    figures = {"packet": offline.packets(settings), "file": offline.files(settings)}
    skipped = "left out by --offline" if without_queue else ""
    if not skipped:
        try:
            figures["queue"] = queue.queued(settings)
        except queue.UnmeasuredError as error:
            skipped = str(error)
    if as_json:
        click.echo(json.dumps(_as_json(figures, skipped)))
        return
    _tables(figures)
    if skipped:
        output.note(f"the live queue was not measured: {skipped}")


def _times(part: str, costs: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    """How often the floor each of them costs."""
    floor = costs[FLOORS[part]]
    for name, cost in costs.items():
        yield name, cost / floor


def _as_json(figures: Figures, skipped: str) -> dict[str, object]:
    return {
        "sipsensor": __version__,
        "machine": {
            "system": f"{platform.system()} {platform.release()} {platform.machine()}",
            "processors": len(os.sched_getaffinity(0)),
            "python": platform.python_version(),
        },
        "microseconds": {
            part: {name: round(cost, 3) for name, cost in costs.items()} for part, costs in figures.items()
        },
        "times_floor": {
            part: {name: round(times, 3) for name, times in _times(part, costs)} for part, costs in figures.items()
        },
        "queue_skipped": skipped or None,
    }


def _tables(figures: Figures) -> None:
    rows = [
        (WORDS[part][name], f"{costs[name]:.2f}", f"{1e6 / costs[name]:,.0f}", f"{times:.2f}")
        for part, costs in figures.items()
        for name, times in _times(part, costs)
    ]
    output.table("Processor time of a packet", ("what", "us", "packets/s", "times floor"), rows)
