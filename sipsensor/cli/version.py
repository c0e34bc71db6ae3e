"""``sipsensor version``."""

from __future__ import annotations

import click

from sipsensor import __version__


@click.command("version")
def command() -> None:
    """Print the version."""
    click.echo(f"sipsensor {__version__}")
