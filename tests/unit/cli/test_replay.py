import gc
import json
import os
import pty
import subprocess
import sys
from binascii import hexlify
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from sipsensor.sources.pcap import CaptureError
from tests.support.captures import START, pcap
from tests.support.events import assert_valid
from tests.support.packets import LINK_SLL2, datagram, message, sll2
from tests.unit.cli.conftest import ANSWER, ATTACK, BENIGN, Command, Pcap


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    """The command calms the garbage collector for a process of its own; this one goes on."""
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


def events(result: Result) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert_valid(found)
    return found


def test_tables_say_what_was_found(command: Command, capture: Pcap) -> None:
    text = command("replay", capture(BENIGN, ATTACK, ATTACK, ANSWER)).output
    assert "scanner.sipvicious.user-agent  1001       2        2        1             2" in text
    assert "203.0.113.9        2" in text
    assert "  packets       4\n" in text
    assert "  dropped       2: SIGNATURE 2\n" in text
    assert "  first packet  2023-11-14T22:13:20.123456+00:00\n" in text
    assert "\x1b" not in text


def test_json_is_events_then_the_summary(command: Command, capture: Pcap) -> None:
    first, second, summary = events(command("replay", "--json", capture(BENIGN, ATTACK, ATTACK)))
    assert (first["event_type"], first["pcap_cnt"]) == ("alert", 2)
    assert (second["alert"]["action"], second["pcap_cnt"]) == ("blocked", 3)
    assert summary["event_type"] == "summary"
    assert summary["summary"]["dropped"] == 2
    assert summary["summary"]["alerts_by_rule"] == {"scanner.sipvicious.user-agent": 2}


def test_nothing_to_tell_is_told_in_one_line(command: Command, capture: Pcap) -> None:
    (summary,) = events(command("replay", "--json", capture()))
    assert summary["summary"]["packets"] == 0
    assert "  packets       0\n" in command("replay", capture()).output


def test_it_enforces_unless_told_to_observe(command: Command, capture: Pcap, tmp_path: Path) -> None:
    file = capture(ATTACK)
    config = tmp_path / "x.toml"
    config.write_text("mode = 'observe'")
    assert events(command("replay", "--json", "--config", config, file))[0]["alert"]["action"] == "blocked"
    alert, summary = events(command("replay", "--json", "--observe", file))
    assert alert["alert"]["action"] == "allowed"
    assert (alert["sipsensor"]["verdict"], summary["summary"]["dropped"]) == ("drop", 1)
    assert (
        "dropped       1: SIGNATURE 1 (observe mode: accepted all the same)"
        in command("replay", "--observe", file).output
    )


def test_the_configuration_counts(command: Command, capture: Pcap, tmp_path: Path) -> None:
    config = tmp_path / "x.toml"
    config.write_text("[trust]\nallowlist = ['203.0.113.0/24']\n")
    (summary,) = events(command("replay", "--json", "--config", config, capture(ATTACK)))
    assert summary["summary"]["dropped"] == 0


def test_protected_turns_the_direction(command: Command, capture: Pcap) -> None:
    shape = message(change={"Content-Length": "x"})
    assert events(command("replay", "--json", capture(shape)))[-1]["summary"]["dropped"] == 1
    outbound = command("replay", "--json", "--protected", "203.0.113.9", capture(shape))
    assert events(outbound)[-1]["summary"]["dropped"] == 0


def test_a_filter(command: Command, capture: Pcap) -> None:
    file = capture(datagram(ATTACK, "203.0.113.1"), datagram(ATTACK, "203.0.113.2"), frames=True)
    alert, summary = events(command("replay", "--json", "--filter", "src host 203.0.113.2", file))
    assert (alert["src_ip"], alert["pcap_cnt"], summary["summary"]["packets"]) == ("203.0.113.2", 2, 1)


def test_a_bad_filter_is_found_before_any_file_is_read(command: Command) -> None:
    result = command("replay", "--filter", "udp port", "/nowhere.pcap", code=1)
    assert isinstance(result.exception, CaptureError)
    assert str(result.exception).startswith("--filter: ")


def test_several_files_and_directories(command: Command, capture: Pcap, tmp_path: Path) -> None:
    capture(ATTACK, name="1.pcap")
    capture(BENIGN, name="2.pcap")
    assert events(command("replay", "--json", tmp_path))[-1]["summary"]["packets"] == 2
    text = command("replay", tmp_path / "2.pcap", tmp_path / "1.pcap").output
    assert "  files         2\n" in text


def test_fail_on_alert(command: Command, capture: Pcap) -> None:
    command("replay", "--fail-on-alert", capture(BENIGN, ANSWER))
    result = command("replay", "--fail-on-alert", "--json", capture(BENIGN, ATTACK), code=1)
    assert len(events(result)) == 2
    command("replay", capture(BENIGN, ATTACK))


def recording(path: Path, *verdicts: int) -> Path:
    frames = [sll2(datagram(ATTACK), link_address=b"SIPSEN" + bytes((verdict, 0))) for verdict in verdicts]
    path.write_bytes(pcap([(START, frame) for frame in frames], link=LINK_SLL2))
    return path


def test_verify(command: Command, capture: Pcap, tmp_path: Path) -> None:
    same = command("replay", "--verify", recording(tmp_path / "same.pcap", 1, 1))
    assert "2 recorded verdicts compared, 0 differ, 0 packets carry none" in same.stderr
    other = command("replay", "--verify", recording(tmp_path / "other.pcap", 1, 0), code=1)
    assert "packet 2: recorded accept, now drop SIGNATURE" in other.stderr
    none = command("replay", "--verify", capture(BENIGN), code=1)
    assert "0 recorded verdicts compared, 0 differ, 1 packets carry none" in none.stderr


def test_a_truncated_file_is_said_and_is_no_failure(command: Command, capture: Pcap) -> None:
    file = capture(ATTACK, BENIGN)
    file.write_bytes(file.read_bytes()[:-5])
    result = command("replay", "--json", file)
    assert events(result)[-1]["summary"]["packets"] == 1
    assert "read up to its last whole packet, number 1" in result.stderr


def test_text_of_the_attacker_reaches_no_terminal(command: Command, capture: Pcap) -> None:
    evil = message(change={"User-Agent": "friendly-scanner\x1b]0;owned\x07\x9b31m"})
    for arguments in (
        ["replay"],
        ["replay", "--json"],
        ["explain", "--packet", "1"],
        ["explain", "--packet", "1", "--json"],
    ):
        text = command(*arguments, capture(evil)).output
        assert text.replace("\n", "").isprintable()


def test_a_guess_is_in_no_output(command: Command, capture: Pcap) -> None:
    tag = hexlify(b"100:hunter2\x013130246426").decode()
    change: dict[str, str | None] = {"From": f'"100"<sip:100@192.0.2.10>;tag={tag}', "User-Agent": "friendly-scanner"}
    extra = [("Authorization", 'Digest username="100", realm="r", nonce="n", uri="sip:x", response="0fa1c0de"')]
    file = capture(message("REGISTER", "sip:192.0.2.10", change=change, extra=extra))
    for arguments in (
        ["replay"],
        ["replay", "--json"],
        ["explain", "--packet", "1"],
        ["explain", "--packet", "1", "--json"],
    ):
        text = command(*arguments, file).output
        for secret in ("hunter2", tag, hexlify(b"hunter2").decode(), "0fa1c0de"):
            assert secret not in text


def test_a_file_name_with_control_characters_is_escaped(command: Command, capture: Pcap) -> None:
    file = capture(BENIGN, name="a\x1b[31m.pcap")
    file.write_bytes(file.read_bytes()[:-1])
    assert r"a\x1b[31m.pcap" in command("replay", file).stderr


def test_a_person_sees_a_progress_bar_and_colours_and_a_pipe_does_not(capture: Pcap) -> None:
    file = capture(*[ATTACK] * 500)
    main_end, other_end = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "sipsensor", "replay", str(file)],
        stdout=other_end,
        stderr=other_end,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "120"},
    )
    os.close(other_end)
    seen = b""
    while True:
        try:
            piece = os.read(main_end, 65536)
        except OSError:
            break
        if not piece:
            break
        seen += piece
    os.close(main_end)
    assert process.wait(30) == 0
    assert b"judging" in seen
    assert b"\x1b[" in seen
    assert b"scanner.sipvicious.user-agent" in seen
    plain = subprocess.run([sys.executable, "-m", "sipsensor", "replay", file], capture_output=True, check=True)
    assert b"\x1b" not in plain.stdout
    assert plain.stderr == b""
