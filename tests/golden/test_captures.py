"""Real captures of others, in the folder that SIPSENSOR_CAPTURES names: nothing benign is dropped, the attacks are."""

from __future__ import annotations

import os
import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sipsensor.app import Replay, build_engine
from sipsensor.config.load import defaults
from sipsensor.fastpath import names
from sipsensor.model import Mode
from sipsensor.sources.pcap import Capture, find, packets
from tests.support.captures import pcap
from tests.support.cases import Outcome, replay, shipped
from tests.support.events import assert_valid
from tests.support.packets import LINK_RAW, PBX, datagram

FOLDER = os.environ.get("SIPSENSOR_CAPTURES", "")
FILES = find([FOLDER]) if FOLDER and Path(FOLDER).is_dir() else []
OTHER_PROTOCOLS = re.compile(r"no SIP|IAX2|false positive")
REGISTER = names.METHODS.index(b"REGISTER")
SCANNER = re.compile(rb"friendly-scanner", re.IGNORECASE)


def classes(folder: Path) -> dict[str, str]:
    """File name to class, out of the tables of the folder's README.md: its first column, and its last but one."""
    found = {}
    for line in (folder / "README.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 8 and cells[0].endswith((".pcap", ".pcapng")):
            found[cells[0]] = cells[6]
    return found


def must_pass(kind: str) -> bool:
    """Whether nothing of a capture of this class may be dropped."""
    return kind.split("/", maxsplit=1)[0].strip() == "benign" or OTHER_PROTOCOLS.search(kind) is not None


def run(path: Path) -> Outcome:
    outcome = replay([path], defaults())
    assert_valid(outcome.events)
    return outcome


@pytest.mark.parametrize("path", FILES or [None], ids=lambda path: path.name if path else "none")
def test_a_capture_replays(path: Path | None, shared_captures: Path, tally: Counter[str]) -> None:
    assert path is not None, f"{shared_captures} holds no capture"
    outcome = run(path)
    tally["files"] += 1
    for key in ("packets", "sip_messages", "dropped"):
        tally[key.replace("_", " ")] += outcome.summary[key]
    assert outcome.summary["accepted"] + outcome.summary["dropped"] == outcome.summary["packets"]
    assert "ERROR" not in outcome.summary["drops_by_reason"]
    assert not any("engine failed" in notice for notice in outcome.notices)


@pytest.mark.parametrize("path", FILES or [None], ids=lambda path: path.name if path else "none")
def test_nothing_benign_and_nothing_foreign_is_dropped(path: Path | None, shared_captures: Path) -> None:
    assert path is not None, f"{shared_captures} holds no capture"
    kind = classes(shared_captures).get(path.name, "")
    outcome = run(path)
    if must_pass(kind):
        dropped = [event for event in outcome.events if event.get("sipsensor", {}).get("verdict") == "drop"]
        assert dropped == []
        assert outcome.summary["dropped"] == 0


def test_the_readme_tells_enough_captures_apart(shared_captures: Path) -> None:
    """Guards the test above: were the table read wrongly, it would find nothing to hold on to."""
    known = classes(shared_captures)
    assert len(known) >= len([path for path in FILES if path.parent == shared_captures and "own__" not in path.name])
    assert sum(must_pass(kind) for kind in known.values()) > 40
    assert not must_pass("benign load")
    assert not must_pass("attack")
    assert must_pass("benign / edge")


def only(folder: Path, name: str) -> Path:
    path = next(iter(folder.glob(name)), None)
    if path is None:
        pytest.fail(f"{folder} has no {name}", pytrace=False)
    return path


def test_every_request_of_the_recorded_sipvicious_sweep_is_dropped(shared_captures: Path) -> None:
    outcome = run(only(shared_captures, "*BadUserAgent-sipvicious.pcap"))
    assert outcome.summary["sip_messages"] == 26
    assert outcome.summary["dropped"] == 26
    assert {event["pcap_cnt"] for event in outcome.events} == set(range(1, 27))


def test_a_slow_brute_force_is_cut_after_a_few_guesses_and_stays_cut(shared_captures: Path) -> None:
    """1,623 REGISTERs over 8.5 h with the User-Agent "Cisco": at most 20 reach the PBX before the first cut, and 25 in all."""
    path = only(shared_captures, "*SIP-Bruteforce-Single-IP.pcap")
    reached: list[bool] = []
    first_cut: list[int] = []
    engine = build_engine(defaults(), mode=Mode.ENFORCE, signatures=shipped(), seed=Replay.SEED)
    for batch in Capture(path).batches():
        for packet in packets(batch):
            decision = engine.process(packet)
            if decision.cuts:
                first_cut.append(sum(reached))
            observation = decision.observation
            if observation is not None and observation.direction == 0 and observation.message.what == REGISTER:
                reached.append(not decision.verdict)
    assert len(reached) >= 1623
    assert 0 < first_cut[0] <= 20
    assert sum(reached) <= 25
    assert sum(engine.counters.reasons.values()) == engine.counters.dropped


def honeypot(text: str) -> list[tuple[int, str, bytes]]:
    """Time, source and message of each record; the log has LF where the wire had CRLF."""
    records = []
    for record in re.split(r"^-{25}\n", text, flags=re.MULTILINE):
        head = re.match(r"Source: (\S+?):(\d+)\nDatetime: (.+)\n+Message:\s*\n", record.lstrip("\n"))
        if head is None:
            continue
        moment = datetime.strptime(head[3].strip(), "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=UTC)
        message = record.lstrip("\n")[head.end() :].lstrip("\n").rstrip("\n") + "\n\n"
        records.append((int(moment.timestamp() * 1_000_000) * 1000, head[1], message.replace("\n", "\r\n").encode()))
    return records


def test_every_friendly_scanner_of_the_honeypot_is_dropped(shared_captures: Path, tmp_path: Path) -> None:
    log = only(shared_captures / "honeypot-log", "*svmap-svwar.txt")
    records = honeypot(log.read_text(encoding="utf-8"))
    assert len(records) == 2653
    # The Honeynet Project wrote X.Y for a part of the addresses: the source is replaced as a whole.
    packets = [(ts, datagram(message, "198.51.100.7", PBX)) for ts, _, message in records]
    file = tmp_path / "honeypot.pcap"
    file.write_bytes(pcap(packets, link=LINK_RAW))
    outcome = run(file)
    scanners = {number for number, (_, _, message) in enumerate(records, 1) if SCANNER.search(message)}
    dropped = {event["pcap_cnt"] for event in outcome.events if event.get("sipsensor", {}).get("verdict") == "drop"}
    assert len(scanners) > 2600
    assert scanners <= dropped


def test_the_torture_messages_are_judged_without_an_error(shared_captures: Path, tmp_path: Path) -> None:
    paths = sorted(path for path in (shared_captures / "torture").rglob("*") if path.suffix in {".dat", ".sip"})
    payloads = [path.read_bytes() for path in paths]
    assert len(payloads) > 300
    file = tmp_path / "torture.pcap"
    largest = 65_535 - 28
    file.write_bytes(pcap([(n * 1_000_000_000, datagram(data[:largest])) for n, data in enumerate(payloads)]))
    outcome = run(file)
    assert outcome.summary["packets"] == len(payloads)
    assert "ERROR" not in outcome.summary["drops_by_reason"]
    assert outcome.notices == []
