"""Arguments that several commands share, and how their values are checked."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import click

from sipsensor.config.load import defaults, load, network_fault
from sipsensor.config.settings import Settings

config = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Configuration file; without one every key has its default.",
)


def _networks(_ctx: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    texts = tuple(text for value in values for text in value.split(",") if text)
    for text in texts:
        fault = network_fault(text)
        if fault is not None:
            raise click.BadParameter(f"{fault[0]}; {fault[1]}.")
    return tuple(str(ipaddress.ip_network(text)) for text in texts)


protected = click.option(
    "--protected",
    multiple=True,
    metavar="NETWORK",
    callback=_networks,
    help="Addresses or networks of the PBX, for the direction of packets; may be repeated. In place of network.protected.",
)

observe = click.option(
    "--observe", is_flag=True, help="Judge as in observe mode: nothing is blocked, what would be is told."
)


def settings_of(config_file: Path | None) -> Settings:
    """The settings of the file, or the defaults. Raises ConfigError."""
    return load(config_file) if config_file is not None else defaults()
