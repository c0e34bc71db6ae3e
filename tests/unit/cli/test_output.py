import io
import os
import sys

import pytest

from sipsensor.cli import output

ROWS = [("scanner.a", 5, "1,234"), ("flood.bb", 10, "7")]


def test_a_plain_table_is_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    output.table("Alerts", ("rule", "n", "many"), ROWS)
    assert capsys.readouterr().out == (
        "Alerts\n  rule        n   many\n  scanner.a   5  1,234\n  flood.bb   10      7\n\n"
    )


def test_a_table_without_rows_has_its_head(capsys: pytest.CaptureFixture[str]) -> None:
    output.table("Alerts", ("rule", "n"), [])
    assert capsys.readouterr().out == "Alerts\n  rule  n\n\n"


def test_on_a_terminal_markup_in_cells_is_text(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("COLUMNS", "100")
    output.table("Title [bold]", ("rule",), [("[red]x[/red] [link=http://example.com]y[/link]",)])
    shown = screen.getvalue()
    assert "[red]x[/red] [link=http://example.com]y[/link]" in shown
    assert "Title [bold]" in shown


def test_pairs_stand_below_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    output.pairs("Totals", [("a", 1), ("long name", "x"), ("empty", "")])
    assert capsys.readouterr().out == "Totals\n  a          1\n  long name  x\n  empty\n"


def test_a_note_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    output.note("something")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "sipsensor: something\n")


def test_a_file_is_no_terminal() -> None:
    assert not output.is_terminal(io.StringIO())


def test_a_line_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    output.tell("the sensor runs")
    assert capsys.readouterr().err == "sipsensor: the sensor runs\n"


def test_a_line_that_nobody_reads_is_lost_and_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    filled = 0
    with open(reader, "rb", buffering=0) as read, open(writer, "w") as stream:  # noqa: PTH123 - descriptors
        monkeypatch.setattr(sys, "stderr", stream)
        for piece in (b"x" * 4096, b"x"):
            try:
                while True:
                    filled += os.write(writer, piece)
            except BlockingIOError:
                pass
        # Without this a write would fail at once, whoever does it.
        os.set_blocking(writer, True)
        output.tell("one that is lost")
        assert read.read(filled) == b"x" * filled
        output.tell("y" * 5000)
        assert read.read(10_000) == b"sipsensor: " + b"y" * output.LINE_MOST + b"\n"
