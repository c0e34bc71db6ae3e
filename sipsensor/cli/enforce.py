"""``sipsensor enforce`` and ``sipsensor observe``: whether the running sensor acts."""

from __future__ import annotations

from pathlib import Path

import click

from sipsensor.cli import asking
from sipsensor.cli.asking import Answer


@click.command("enforce")
@asking.duration(help="Go back to observe after this time (15m) unless confirmed.")
@click.option("--confirm", is_flag=True, help="Do not go back: it works.")
@asking.sensor
def command(*, seconds: str | None, confirm: bool, config_file: Path | None, socket: str | None, as_json: bool) -> None:
    """Drop from now on what the policy says is to be dropped. With --for it reverts by itself unless you --confirm.

    Also goes on after the safety net fell back. Lasts until the service is started again: mode in the configuration is what it starts with.
    """
    arguments: dict[str, object] = {"confirm": confirm, **({"for": seconds} if seconds is not None else {})}
    asking.show(asking.order(config_file, socket, "enforce", arguments), _print, as_json=as_json)


@click.command("observe")
@asking.sensor
def observe(*, config_file: Path | None, socket: str | None, as_json: bool) -> None:
    """Judge and report, but drop nothing from now on. Lasts until sipsensor enforce, or the service is started again."""
    asking.show(asking.order(config_file, socket, "observe"), _print, as_json=as_json)


def _print(answer: Answer) -> None:
    said = [("mode", answer["mode"])]
    if answer["until"] is not None:
        said += [("reverts", asking.until(answer["until"])), ("keep", "sipsensor enforce --confirm")]
    elif answer["mode"] != answer["configured"]:
        said.append(("configured", f"{answer['configured']}, from the next start on"))
    if answer["safety_net"]:
        said.append(("safety net", answer["safety_net"]))
    asking.lines(said)
