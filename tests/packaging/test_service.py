"""The service unit and what belongs to it: as systemd's own tools judge them."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.conftest import missing

EXPOSURE_MOST = 2.5
"""Of 10, as ``systemd-analyze security`` reckons it."""
CAPABILITY = "CAP_NET_ADMIN"


@pytest.fixture(scope="module")
def unit(repository: Path) -> str:
    return (repository / "deploy" / "sipsensor.service").read_text()


@pytest.fixture(scope="module")
def analyze() -> str:
    return shutil.which("systemd-analyze") or missing("systemd-analyze", "make setup-test, or apt-get install systemd")


def values(unit: str, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", unit, re.MULTILINE)


def ask(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_it_is_exposed_little(analyze: str, repository: Path) -> None:
    printed = ask(analyze, "security", "--offline=yes", "--no-pager", f"{repository}/deploy/sipsensor.service")
    found = re.search(r"Overall exposure level for sipsensor\.service: ([0-9.]+)", printed)
    assert found is not None, printed
    assert float(found[1]) <= EXPOSURE_MOST, printed


def test_systemd_knows_every_word_of_it(analyze: str, unit: str, tmp_path: Path) -> None:
    """Nothing is installed here, so what it starts is replaced by a command that every system has."""
    file = tmp_path / "sipsensor.service"
    file.write_text(unit.replace("/opt/sipsensor/bin/sipsensor", "/bin/true"))
    assert ask(analyze, "verify", "--man=no", str(file)) == ""


def test_it_has_one_capability_and_no_group_but_its_own(unit: str) -> None:
    assert values(unit, "AmbientCapabilities") == values(unit, "CapabilityBoundingSet") == [CAPABILITY]
    assert values(unit, "User") == values(unit, "Group") == ["sipsensor"]
    assert values(unit, "SupplementaryGroups") == []
    privileged = [line for key in ("ExecStartPre", "ExecStart", "ExecReload") for line in values(unit, key)]
    assert [line for line in privileged if line[0] in "+!-@:" and "chgrp sipsensor" not in line] == []


def test_it_is_never_given_up_and_never_left_hanging(unit: str) -> None:
    assert values(unit, "StartLimitIntervalSec") == ["0"]
    assert values(unit, "Restart") == ["on-failure"]
    assert values(unit, "Type") == ["notify"]
    assert values(unit, "NotifyAccess") == ["main"]
    assert int(values(unit, "WatchdogSec")[0]) >= 10


def test_the_sensor_ends_by_itself_and_in_order(unit: str) -> None:
    """systemd must signal the main process alone, and an end of one process by the kernel must not end the others."""
    assert values(unit, "KillMode") == ["mixed"]
    assert values(unit, "OOMPolicy") == ["continue"]


def test_what_the_sample_names_is_writable(unit: str, repository: Path) -> None:
    """Each file of the sample configuration lies in a directory that the unit hands to its user."""
    sample = tomllib.loads((repository / "deploy" / "sipsensor.toml").read_text())
    directories = {
        f"{base}/{name}"
        for key, base in (("StateDirectory", "/var/lib"), ("LogsDirectory", "/var/log"), ("RuntimeDirectory", "/run"))
        for name in values(unit, key)
    }
    files = [sample["events"]["file"], sample["quarantine"]["file"], sample["control"]["socket"]]
    assert [file for file in files if str(Path(file).parent) not in directories] == []
    rotated = (repository / "deploy" / "logrotate.d" / "sipsensor").read_text().split()[0]
    assert Path(sample["events"]["file"]).match(rotated)


def test_the_user_and_his_directories_can_be_made(root: None, repository: Path, tmp_path: Path) -> None:  # noqa: ARG001
    """In a root of their own, by the tools that make them at boot."""
    for tool in ("systemd-sysusers", "systemd-tmpfiles"):
        if shutil.which(tool) is None:
            missing(tool, "make setup-test, or apt-get install systemd")
    (tmp_path / "etc").mkdir()
    deploy = repository / "deploy"
    ask("systemd-sysusers", f"--root={tmp_path}", f"{deploy}/sysusers.d/sipsensor.conf")
    user = next(line for line in (tmp_path / "etc/passwd").read_text().splitlines() if line.startswith("sipsensor:"))
    assert user.endswith("/nologin")
    ask("systemd-tmpfiles", f"--root={tmp_path}", "--create", f"{deploy}/tmpfiles.d/sipsensor.conf")
    made = {
        folder: (tmp_path / folder).stat() for folder in ("etc/sipsensor", "var/lib/sipsensor", "var/log/sipsensor")
    }
    assert [oct(about.st_mode & 0o777) for about in made.values()] == ["0o755", "0o750", "0o750"]
    assert [about.st_uid == int(user.split(":")[2]) for about in made.values()] == [False, True, True]
