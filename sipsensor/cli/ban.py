"""``sipsensor ban``: drop everything from an address or a network for a time."""

from __future__ import annotations

from pathlib import Path

import click

from sipsensor.cli import asking
from sipsensor.cli.asking import Answer


@click.command("ban")
@click.argument("address", metavar="ADDRESS|NETWORK")
@asking.duration(default="1h", show_default=True, help="How long: 90s, 15m, 12h, 7d.")
@asking.force
@asking.sensor
def command(
    *, address: str, seconds: str, force: bool, config_file: Path | None, socket: str | None, as_json: bool
) -> None:
    """Drop everything that an address or a network sends, for a time; of an IPv6 address its whole /64.

    Refused are protected, allowlisted and trusted addresses, trunks and proxies. Undone by sipsensor unban.
    """
    arguments = {"address": address, "for": seconds, "force": force}
    answer = asking.order(config_file, socket, "ban", arguments)
    asking.show(answer, _print, as_json=as_json)
    asking.observing(answer)


def _print(answer: Answer) -> None:
    known = answer["known_accounts"]
    asking.lines(
        [
            ("banned", answer["network"]),
            ("until", asking.until(answer["until"])),
            *(("exempt", each) for each in answer["exempt"]),
            *([("careful", f"{known} accounts of yours registered from there before")] if known else []),
            ("undo", answer["undo"]),
        ]
    )
