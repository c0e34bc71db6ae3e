"""What is known so far, both networks side by side: a table that fills on a terminal, lines and then the table anywhere else."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType
from typing import Self

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from sipsensor.cli import output

ROWS = {
    "svmap": "svmap: is there a PBX?",
    "svwar": "svwar: which extensions?",
    "svcrack": "svcrack: password of 202?",
    "phones": "phones meanwhile",
    "lost": "packets of phones at the PBX",
    "arrived": "packets of attacker at the PBX",
}
SIDES = ("without", "with")


class Board:
    """``set`` may be called from any thread."""

    def __init__(self) -> None:
        self._cells = {(row, side): "" for row in ROWS for side in SIDES}
        self._lock = threading.Lock()
        self._started = time.monotonic()
        console = Console()
        fills = console.is_terminal and not console.is_dumb_terminal
        self._live = Live(console=console, get_renderable=self._table, refresh_per_second=4) if fills else None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
        elif kind is None:
            click.echo("")
            output.table("In the end", self._columns(), self._rows())

    def set(self, row: str, side: str, words: str) -> None:
        with self._lock:
            self._cells[row, side] = words
        if self._live is None and row in {"svmap", "svwar", "svcrack"} and words != "...":
            click.echo(f"{time.monotonic() - self._started:5.1f} s  {side:<8} {ROWS[row]}  {words}")
            sys.stdout.flush()

    def _columns(self) -> list[str]:
        return ["", "without the sensor", "with the sensor"]

    def _rows(self) -> list[list[str]]:
        with self._lock:
            return [[title, *(self._cells[row, side] for side in SIDES)] for row, title in ROWS.items()]

    def _table(self) -> Table:
        made = Table(box=SIMPLE_HEAD, pad_edge=False)
        for name in self._columns():
            made.add_column(Text(name, "bold"), overflow="fold")
        for row in self._rows():
            made.add_row(*(Text(cell) for cell in row))
        return made
