"""``sipsensor untrust``: trust an address or a network no longer."""

from __future__ import annotations

from pathlib import Path

import click

from sipsensor.cli import asking
from sipsensor.cli.asking import Answer
from sipsensor.cli.main import NO


@click.command("untrust")
@click.argument("address", metavar="ADDRESS|NETWORK")
@asking.sensor
def command(*, address: str, config_file: Path | None, socket: str | None, as_json: bool) -> None:
    """Take back sipsensor trust, and the standing that was won from there by registering.

    Whoever is registered there has to show it again. Exit 1 when nobody was trusted, or a wider order still stands.
    """
    answer = asking.order(config_file, socket, "untrust", {"address": address})
    asking.show(answer, _print, as_json=as_json)
    if answer.get("still_trusted") or not (answer.get("orders") or answer.get("ports")):
        raise click.exceptions.Exit(NO)


def _print(answer: Answer) -> None:
    said = [("trusted no longer", each) for each in answer["orders"]]
    if answer["ports"]:
        said.append(("standing taken", f"{answer['ports']} ports at {answer['network']}"))
    said += [("still trusted with", f"{each}; sipsensor untrust {each}") for each in answer["still_trusted"]]
    asking.lines(said or [("nothing", f"nobody at {answer['network']} is trusted")])
