import io
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from sipsensor.export.events.log import EventLog, EventLogError, open_events, reopen
from sipsensor.export.events.volume import VolumeCap
from sipsensor.model import NANOSECONDS, Limit
from tests.support.events import assert_valid
from tests.support.packets import message
from tests.unit.export.events.conftest import TS, Judge

ATTACK = message(change={"User-Agent": "friendly-scanner"})


def lines(content: bytes) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in content.splitlines()]
    assert_valid(found)
    return found


def test_events_are_lines_of_ascii(judge: Judge) -> None:
    target = io.BytesIO()
    log = EventLog(target)
    log.packet(*judge(message(change={"User-Agent": "friendly-scanner \u65e5"})))
    log.packet(*judge(message()))
    (event,) = lines(target.getvalue())
    assert event["sip"]["user_agent"] == "friendly-scanner \u65e5"
    assert target.getvalue().isascii()
    assert target.getvalue().endswith(b"\n")
    assert log.written == 1


def test_without_a_cap_everything_is_written(judge: Judge) -> None:
    target = io.BytesIO()
    log = EventLog(target)
    for _ in range(50):
        log.packet(*judge(ATTACK))
    assert (log.written, log.left_out, len(lines(target.getvalue()))) == (50, 0, 50)


def test_a_live_log_is_capped_and_counts_what_it_left_out(judge: Judge) -> None:
    target = io.BytesIO()
    log = EventLog(target, VolumeCap(Limit(10, 60), bytes(16)))
    for _ in range(50):
        log.packet(*judge(ATTACK))
    assert (log.written, log.left_out) == (10, 40)
    log.tick(TS + 10 * NANOSECONDS)
    assert log.written == 10
    log.tick(TS + 61 * NANOSECONDS)
    *_, last = lines(target.getvalue())
    assert last["event_type"] == "stats"
    assert last["src_ip"] == "203.0.113.9"
    assert last["stats"]["left_out"] == 40
    assert last["stats"]["rule"] == "scanner.sipvicious.user-agent"


def test_what_is_not_even_made_counts_as_left_out() -> None:
    log = EventLog(io.BytesIO())
    log.omit()
    log.omit()
    assert (log.written, log.left_out) == (0, 2)


def test_the_file_is_private_and_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "new" / "events.jsonl"
    for number in range(2):
        with open_events(str(path)) as file:
            assert (number == 0) == (file.tell() == 0)
            file.write(b"line\n")
    assert path.read_bytes() == b"line\nline\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_an_inherited_descriptor_is_closed_on_exec(tmp_path: Path) -> None:
    with open_events(str(tmp_path / "events")) as file:
        assert not os.get_inheritable(file.fileno())
        reopen(file, str(tmp_path / "events"))
        assert not os.get_inheritable(file.fileno())


def test_rotation_moves_the_file_away_and_writing_goes_on_in_a_new_one(tmp_path: Path) -> None:
    path, old = tmp_path / "events", tmp_path / "events.1"
    with open_events(str(path)) as file:
        file.write(b"one\n")
        path.rename(old)
        file.write(b"two\n")
        reopen(file, str(path))
        file.write(b"three\n")
        assert file.tell() == len(b"three\n")
    assert old.read_bytes() == b"one\ntwo\n"
    assert path.read_bytes() == b"three\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_when_rotation_leaves_no_place_the_old_file_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "events"
    with open_events(str(path)) as file:
        with pytest.raises(EventLogError):
            reopen(file, str(tmp_path))
        file.write(b"still here\n")
    assert path.read_bytes() == b"still here\n"


@pytest.mark.parametrize("name", ["", "nodir\0", "/proc/nowhere/events", "/dev/null", "."])
def test_a_file_that_cannot_be_written_is_one_line(name: str) -> None:
    with pytest.raises(EventLogError, match=r"^events\.file: .*: .*; name a file") as caught:
        open_events(name)
    assert "\n" not in str(caught.value)


def test_a_pipe_nobody_reads_does_not_hang(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(EventLogError, match=r"events\.file: .*fifo: cannot be written"):
        open_events(str(fifo))


def test_a_dash_is_standard_output(capfdbinary: pytest.CaptureFixture[bytes], judge: Judge) -> None:
    file = open_events("-")
    EventLog(file).packet(*judge(ATTACK))
    reopen(file, "-")
    file.flush()
    assert len(lines(capfdbinary.readouterr().out)) == 1
