"""``sipsensor unban``: lift what is cut of an address or a network."""

from __future__ import annotations

from pathlib import Path

import click

from sipsensor.cli import asking
from sipsensor.cli.asking import Answer
from sipsensor.cli.main import NO


@click.command("unban")
@click.argument("address", metavar="ADDRESS|NETWORK")
@asking.sensor
def command(*, address: str, config_file: Path | None, socket: str | None, as_json: bool) -> None:
    """Lift every cut and ban of an address or a network, those of its accounts included.

    It sticks: nothing of it is cut again for bans.grace, and budgets that were spent are whole again. An address whose network is
    cut is let in for that time, and the rest of the network stays cut. Exit 1 when there was nothing to lift, or a wider ban still stands.
    """
    answer = asking.order(config_file, socket, "unban", {"address": address})
    asking.show(answer, _print, as_json=as_json)
    if answer.get("still_banned") or not (
        answer.get("lifted") or answer.get("bans") or (answer.get("under") and answer.get("spared_seconds"))
    ):
        raise click.exceptions.Exit(NO)


def _print(answer: Answer) -> None:
    if answer["lifted"]:
        asking.cuts_table("Lifted", answer["lifted"])
    said = [("ban lifted", each) for each in answer["bans"]]
    said += [("its network stays cut", f"{each}; sipsensor unban {each}") for each in answer["under"]]
    said += [("still banned with", f"{each}; sipsensor unban {each}") for each in answer["still_banned"]]
    if answer["spared_seconds"]:
        said.append(("not cut again for", asking.span(answer["spared_seconds"])))
    asking.lines(said or [("nothing", f"nothing of {answer['network']} is cut or banned")])
