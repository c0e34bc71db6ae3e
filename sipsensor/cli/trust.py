"""``sipsensor trust``: no limits and no cuts for an address or a network, for a time."""

from __future__ import annotations

from pathlib import Path

import click

from sipsensor.cli import asking
from sipsensor.cli.asking import Answer


@click.command("trust")
@click.argument("address", metavar="ADDRESS|NETWORK")
@asking.duration(default="7d", show_default=True, help="How long: 90s, 15m, 12h, 7d.")
@asking.force
@asking.sensor
def command(
    *, address: str, seconds: str, force: bool, config_file: Path | None, socket: str | None, as_json: bool
) -> None:
    """Let no limit and no cut be for an address or a network, for a time. Signatures and malformed messages still die.

    For good: trust.trunks, or trust.allowlist, in the configuration. Undone by sipsensor untrust.
    """
    arguments = {"address": address, "for": seconds, "force": force}
    asking.show(asking.order(config_file, socket, "trust", arguments), _print, as_json=as_json)


def _print(answer: Answer) -> None:
    said = [("trusted", answer["network"]), ("until", asking.until(answer["until"])), ("undo", answer["undo"])]
    asking.lines(said)
