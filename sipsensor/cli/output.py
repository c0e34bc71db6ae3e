"""Tables and lines for people: rich on a terminal, plain aligned text in a pipe. What came off the wire is escaped
before it gets here.
"""

from __future__ import annotations

import contextlib
import select
import sys
from collections.abc import Iterable, Sequence
from typing import TextIO

import click


def is_terminal(stream: TextIO) -> bool:
    """Whether a person looks at it."""
    return stream.isatty()


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table to standard output. A column whose cells are all numbers is aligned to the right."""
    cells = [[str(cell) for cell in row] for row in rows]
    right = [bool(cells) and all(row[i].replace(",", "").isdigit() for row in cells) for i in range(len(columns))]
    if is_terminal(sys.stdout):
        _rich_table(title, columns, cells, right)
    else:
        _plain_table(title, columns, cells, right)


def _rich_table(title: str, columns: Sequence[str], cells: list[list[str]], right: list[bool]) -> None:
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415 - only when somebody looks
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    made = Table(title=Text(title), title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for name, to_the_right in zip(columns, right, strict=True):
        made.add_column(Text(name), justify="right" if to_the_right else "left", overflow="fold")
    for row in cells:
        # Text and not str: what stands between brackets is no markup.
        made.add_row(*(Text(cell) for cell in row))
    Console().print(made)


def _plain_table(title: str, columns: Sequence[str], cells: list[list[str]], right: list[bool]) -> None:
    widths = [
        max(len(columns[i]), *(len(row[i]) for row in cells)) if cells else len(columns[i]) for i in range(len(columns))
    ]
    click.echo(title)
    for row in [list(columns), *cells]:
        parts = [
            cell.rjust(width) if to_the_right else cell.ljust(width)
            for cell, width, to_the_right in zip(row, widths, right, strict=True)
        ]
        click.echo("  " + "  ".join(parts).rstrip())
    click.echo("")


def pairs(title: str, values: Iterable[tuple[str, object]], indent: int = 2) -> None:
    """Print names and values below each other, aligned."""
    known = [(name, str(value)) for name, value in values]
    width = max((len(name) for name, _ in known), default=0)
    if title:
        click.echo(title)
    for name, value in known:
        click.echo(f"{' ' * indent}{name.ljust(width)}  {value}".rstrip())


def note(text: str) -> None:
    """A line beside the result, on standard error."""
    click.echo(f"sipsensor: {text}", err=True)


LINE_MOST = 1000
"""Characters of a line that nobody waits for: a pipe that takes anything at all takes 4,096 bytes."""


def tell(text: str) -> None:
    """The same from a process that watches over packets: it is lost where a full pipe or a halted terminal would make it wait."""
    with contextlib.suppress(OSError, ValueError):
        if _takes_a_line(sys.stderr):
            note(text[:LINE_MOST])


def _takes_a_line(stream: TextIO) -> bool:
    try:
        number = stream.fileno()
    except (OSError, ValueError):
        return True  # it is in memory
    asked = select.poll()
    asked.register(number, select.POLLOUT)
    return bool(asked.poll(0))
