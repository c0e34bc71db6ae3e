"""What the commands share that give orders to a running sensor: where it listens, what it says, and how an answer is shown."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click

from sipsensor import __version__
from sipsensor.cli import options, output
from sipsensor.control.client import ask
from sipsensor.export.events.text import shown

Answer = Mapping[str, Any]
_Command = TypeVar("_Command", bound=Callable[..., Any])

_MINUTE, _HOUR, _DAY = 60, 3600, 86400

as_json = click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON: times in seconds since 1970.")
duration = partial(click.option, "--for", "seconds", metavar="TIME")
force = click.option("--force", is_flag=True, help="Also where it is wide, or holds somebody who stays exempt.")


def sensor(command: _Command) -> _Command:
    """The options that name the sensor, and ``--json``."""
    socket = click.option("--socket", metavar="PATH", help="The sensor's control socket. In place of control.socket.")
    made: _Command = options.config(socket(as_json(command)))
    return made


def order(
    config_file: Path | None, socket: str | None, command: str, arguments: Mapping[str, object] | None = None
) -> Answer:
    """What the sensor answers. Raises ControlError, with what it refuses, or UsageError where nobody knows its socket."""
    path = socket or options.settings_of(config_file).control.socket
    if not path:
        raise click.UsageError(
            "control.socket is empty, so the sensor listens nowhere; set it, or name a socket with --socket."
        )
    return ask(path, command, arguments)


def show(answer: Answer, print_it: Callable[[Answer], object], *, as_json: bool) -> None:
    """For people, or as JSON. Raises ControlError where sensor and command are of different versions."""
    if as_json:
        click.echo(json.dumps(answer, indent=2))
        return
    try:
        print_it(answer)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        raise click.ClickException(
            f"the sensor is of another version than this command ({__version__}); ask with --json"
        ) from None


def until(moment: float) -> str:
    """A time to come, and how long it is until then."""
    return f"{clock(moment)} (in {span(max(0.0, moment - time.time()))})"


def ago(moment: float) -> str:
    """A time that has been, and how long ago."""
    return f"{clock(moment)} ({span(max(0.0, time.time() - moment))} ago)"


def clock(moment: float) -> str:
    """Seconds since 1970 as local time."""
    return f"{datetime.fromtimestamp(moment, UTC).astimezone():%Y-%m-%d %H:%M:%S}"


def span(seconds: float) -> str:
    """A time in the two largest units."""
    whole = int(seconds)
    if whole < _MINUTE:
        return f"{seconds:.1f} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"


def lines(values: Iterable[tuple[str, object]]) -> None:
    """Names and values below each other. Everything came through a socket, so everything is escaped."""
    output.pairs("", [(name, shown(str(value))) for name, value in values], indent=0)


def cuts_table(title: str, cuts: Sequence[Answer]) -> None:
    """Cuts as a table."""
    rows = [
        [
            shown(str(cell))
            for cell in (
                cut["scope"],
                cut["network"],
                cut["account"] or "",
                cut["rule"],
                clock(cut["since"]),
                until(cut["until"]) if cut["until"] > time.time() else "over",
                cut["times"],
            )
        ]
        for cut in cuts
    ]
    output.table(title, ("scope", "from", "account", "rule", "since", "until", "times"), rows)


def observing(answer: Answer) -> None:
    """Nothing is dropped in observe mode: whoever bans should know."""
    if answer.get("mode") == "observe":
        output.note('the sensor observes: it drops nothing until sipsensor enforce, or mode = "enforce"')
