"""``sipsensor why`` against a real control socket and a real engine."""

from __future__ import annotations

import json
from pathlib import Path

from sipsensor.export.recording import FILE_HEADER
from tests.support.packets import STRANGER
from tests.support.site import Guest
from tests.unit.cli.conftest import Asked


def test_a_cut_address_in_words(asked: Asked) -> None:
    asked.site.attack("201")
    text = asked("why", STRANGER).output
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert f"address {STRANGER}" in lines
    assert "standing stranger" in lines
    assert any(line.startswith(f"account {STRANGER} 201 guessing.account.source") for line in lines), text
    assert any(line.startswith("guessing.account.source ACCOUNT") for line in lines), text
    assert any(line.startswith("guessing.source ") for line in lines), text
    assert lines[-1] == f"undo sipsensor unban {STRANGER}"


def test_a_registered_phone_and_its_account(asked: Asked) -> None:
    asked.site.register(Guest("201"))
    lines = [" ".join(line.split()) for line in asked("why", STRANGER).output.splitlines()]
    assert "standing trusted" in lines
    assert any(line.startswith(f"{STRANGER} port 5060: trusted for ") for line in lines)
    assert "cut until not cut" in lines
    assert lines[-1] == "undo nothing to undo"
    lines = [" ".join(line.split()) for line in asked("why", "201").output.splitlines()]
    assert "known accepted from 1 sources" in lines
    assert f"registered {STRANGER} port 5060" in lines


def test_its_last_packets_are_written_for_the_owner_alone(asked: Asked, tmp_path: Path) -> None:
    asked.site.attack("201")
    file = tmp_path / "last.pcap"
    file.write_bytes(b"what was there")
    file.chmod(0o644)
    done = asked("why", STRANGER, "--pcap", file, "--json")
    assert f"wrote {file}, without digests and passwords" in done.stderr
    assert "pcap" not in json.loads(done.stdout)
    assert file.stat().st_mode & 0o777 == 0o600
    data = file.read_bytes()
    assert data.startswith(FILE_HEADER)
    assert b"REGISTER" in data
    assert b'response="' + b"x" * 32 in data


def test_credentials_need_a_file(asked: Asked) -> None:
    assert "--credentials needs --pcap" in asked("why", STRANGER, "--credentials", code=2).output


def test_a_network_is_refused(asked: Asked) -> None:
    assert "is a network; name one address" in asked.refused("why", "203.0.113.0/24")
