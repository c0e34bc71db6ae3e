"""``sipsensor run``: judge live packets."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import click

from sipsensor.cli import options, output
from sipsensor.cli.main import report
from sipsensor.config.settings import Settings
from sipsensor.live.keeper import Keeper
from sipsensor.live.keeping import Keeping
from sipsensor.live.sensor import Sensor
from sipsensor.live.supervisor import Supervisor
from sipsensor.model import Mode


@click.command("run")
@options.config
@click.option(
    "--observe",
    "mode",
    flag_value=Mode.OBSERVE.value,
    default=None,
    help="Accept everything, and tell what would be dropped.",
)
@click.option("--enforce", "mode", flag_value=Mode.ENFORCE.value, help="Drop what the policy drops.")
@click.option(
    "--record",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write every packet and its verdict.",
)
@click.option("--events", metavar="FILE", help='The event log; "-" is standard output. In place of events.file.')
@click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIRECTORY",
    help="Keep the files that the configuration names in this directory instead.",
)
def command(
    config_file: Path | None, mode: str | None, record: Path | None, events: str | None, state: Path | None
) -> None:
    """Judge the packets that netfilter hands over, until SIGTERM or SIGINT; the rules are removed then.

    SIGHUP opens the event file anew, for log rotation; with a terminal it says that the terminal is gone, and ends it, too.
    Needs CAP_NET_ADMIN. Packets pass while no sensor runs, unless failure.on_death says otherwise.
    """
    settings = _settings(options.settings_of(config_file), mode, events, state)
    sensor = Sensor(settings, output.tell, record)
    keeping = Keeping(settings, sensor.link.keeper, output.tell)
    keeper = Keeper(settings, sensor.page, output.tell, keeping)
    supervisor = Supervisor(sensor, keeper, output.tell, report, hangup_ends=_has_terminal())
    click.get_current_context().exit(supervisor.run())


def _has_terminal() -> bool:
    """True when it was started from a terminal rather than by a supervisor."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _settings(settings: Settings, mode: str | None, events: str | None, state: Path | None) -> Settings:
    """The settings with what the command line replaces in them."""
    if state is not None:
        log, kept, control = settings.events, settings.quarantine, settings.control
        settings = replace(settings, control=replace(control, socket=_moved(control.socket, state)))
        settings = replace(settings, events=replace(log, file=_moved(log.file, state)))
        settings = replace(settings, quarantine=replace(kept, file=_moved(kept.file, state)))
        settings = replace(settings, state=replace(settings.state, database=_moved(settings.state.database, state)))
    if events is not None:
        settings = replace(settings, events=replace(settings.events, file=events))
    return settings if mode is None else replace(settings, mode=Mode(mode))


def _moved(file: str, state: Path) -> str:
    return file if file in {"", "-"} else str(state / Path(file).name)
