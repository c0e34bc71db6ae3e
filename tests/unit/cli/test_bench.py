import json
from pathlib import Path
from typing import Any

import pytest

from sipsensor import __version__
from sipsensor.bench import offline, queue
from sipsensor.cli.bench import FLOORS, WORDS
from tests.unit.cli.conftest import Command
from tests.unit.cli.test_replay import collector

__all__ = ["collector"]


@pytest.fixture(autouse=True)
def little(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real thing over few packets, and a machine whose queue costs what we say."""
    monkeypatch.setattr(offline, "PACKETS", 50)
    monkeypatch.setattr(offline, "FILE_PACKETS", 200)
    monkeypatch.setattr(queue, "queued", lambda _: {"accept": 4.0, "strangers": 8.0, "registered": 5.0})


def measured(command: Command, *options: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(command("bench", "--json", *options).output)
    return found


def test_everything_has_its_ratio(command: Command) -> None:
    found = measured(command)
    assert found["sipsensor"] == __version__
    assert set(found["machine"]) == {"system", "processors", "python"}
    assert found["queue_skipped"] is None
    assert found["microseconds"]["queue"] == {"accept": 4.0, "strangers": 8.0, "registered": 5.0}
    assert found["times_floor"]["queue"] == {"accept": 1.0, "strangers": 2.0, "registered": 1.25}
    for part, floor in FLOORS.items():
        assert set(found["microseconds"][part]) == set(found["times_floor"][part]) == set(WORDS[part])
        assert found["times_floor"][part][floor] == 1.0


def test_tables_have_a_line_for_each(command: Command) -> None:
    text = command("bench").output
    for part in WORDS.values():
        for words in part.values():
            assert text.count(words) == 1
    line = next(line for line in text.splitlines() if "a stranger's request, judged" in line)
    assert line.split()[-3:] == ["8.00", "125,000", "2.00"]
    assert "not measured" not in text


def test_a_queue_that_cannot_be_measured_is_told_and_no_failure(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_settings: object) -> dict[str, float]:
        raise queue.UnmeasuredError("CAP_NET_ADMIN is missing; run it as root")

    monkeypatch.setattr(queue, "queued", refuse)
    assert (
        "sipsensor: the live queue was not measured: CAP_NET_ADMIN is missing; run it as root\n"
        in command("bench").output
    )
    found = measured(command)
    assert found["queue_skipped"] == "CAP_NET_ADMIN is missing; run it as root"
    assert "queue" not in found["microseconds"]


def test_it_can_be_left_out(command: Command) -> None:
    found = measured(command, "--offline")
    assert found["queue_skipped"] == "left out by --offline"
    assert "queue" not in found["times_floor"]


def test_the_page_names_every_figure(command: Command, repository: Path) -> None:
    page, found = (repository / "docs" / "performance.md").read_text(), measured(command)
    names = {
        *found,
        *found["machine"],
        *found["microseconds"],
        *(name for part in found["microseconds"].values() for name in part),
    }
    assert [name for name in names if f"`{name}`" not in page] == []
