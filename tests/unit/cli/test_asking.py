"""``sipsensor asking`` against a real control socket and a real engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from sipsensor.cli import asking
from tests.support.packets import STRANGER
from tests.unit.cli.conftest import Command, Program


def test_without_a_socket_there_is_nobody_to_ask(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text('[control]\nsocket = ""\n')
    assert "control.socket is empty" in command("bans", "--config", file, code=2).output


@pytest.mark.parametrize("line", [("bans",), ("why", "201"), ("ban", STRANGER), ("enforce",)])
def test_no_sensor_is_one_line(program: Program, tmp_path: Path, line: tuple[str, ...]) -> None:
    done = program(*line, "--socket", f"{tmp_path}/none.sock", code=2)
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "no sensor runs there" in done.stderr


def test_another_version_is_said_in_one_line() -> None:
    answer = {"cuts": [{"scope": 1}], "bans": [], "trusted": [], "left_out": 0}
    with pytest.raises(Exception, match="the sensor is of another version"):
        asking.show(answer, lambda one: asking.cuts_table("x", one["cuts"]), as_json=False)


def test_spans_have_two_units() -> None:
    assert [asking.span(seconds) for seconds in (1.25, 60, 90_000)] == ["1.2 s", "1 min 0 s", "1 d 1 h"]
