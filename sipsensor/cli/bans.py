"""``sipsensor bans``: what is cut."""

from __future__ import annotations

from pathlib import Path

import click

from sipsensor.cli import asking, output
from sipsensor.cli.asking import Answer
from sipsensor.export.events.text import shown


@click.command("bans")
@click.option("--all", "whole", is_flag=True, help="Also offences that are over and remembered.")
@asking.sensor
def command(*, whole: bool, config_file: Path | None, socket: str | None, as_json: bool) -> None:
    """List what is cut: accounts, sources, networks, bans of yours; and whom you trust by order.

    An account whose name is not in memory is shown as its key, which sipsensor why takes as well.
    """
    answer = asking.order(config_file, socket, "bans", {"all": whole})
    asking.show(answer, _print, as_json=as_json)
    if not as_json:
        asking.observing(answer)


def _print(answer: Answer) -> None:
    if answer["cuts"]:
        asking.cuts_table("Cuts", answer["cuts"])
    for title, key in (("Bans by order", "bans"), ("Trusted by order", "trusted")):
        if answer[key]:
            rows = [(shown(str(each["network"])), asking.until(each["until"])) for each in answer[key]]
            output.table(title, ("network", "until"), rows)
    if answer["left_out"]:
        output.note(f"{answer['left_out']} more are not listed")
    if not any(answer[key] for key in ("cuts", "bans", "trusted")):
        click.echo("nothing is cut, banned or trusted by order")
