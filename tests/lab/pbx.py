"""Kamailio as the lab's PBX, and phones made of SIPp."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.lab.network import PBX, PHONE, Namespace, wait_for

FOLDER = Path(__file__).parent
PASSWORDS = {"201": "Kj7-plover-4419", "202": "202"}


@contextlib.contextmanager
def kamailio(space: Namespace, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Serves SIP on the PBX addresses, UDP and TCP, until the end."""
    listen = [word for address in (PBX[4], f"[{PBX[6]}]") for kind in ("udp", "tcp") for word in ("-l", f"{kind}:{address}:5060")]
    command = ["kamailio", "-f", str(FOLDER / "kamailio.cfg"), "-DD", "-E", "-m", "32", "-M", "4", "-Y", str(folder), "-w", str(folder)]
    log = folder / "kamailio.log"
    with log.open("w") as output:
        server = space.start(*command, *listen, stdout=output, stderr=output)
        try:
            wait_for(lambda: space.run("ss", "-Hlun").count(":5060") == len(PBX), 15, f"Kamailio, see {log}")
            yield server
        finally:
            server.terminate()
            server.wait(10)


def register(space: Namespace, version: int, account: str, folder: Path, port: int, contact: int = 0) -> None:
    """A phone registers its account. Raises AssertionError when the PBX does not accept it."""
    _sipp(space, version, "register", folder, port, account=account, contact_port=str(contact or port))


def calls(space: Namespace, version: int, folder: Path, count: int) -> None:
    """Phone 201 calls phone 202 that often, which answers each time. Raises AssertionError unless all calls were made and ended well."""
    log = folder / f"answer-{version}.log"
    register(space, version, "202", folder, 5072, contact=5074)
    register(space, version, "201", folder, 5076)
    with log.open("w") as output:
        callee = space.start(*_command(version, "answer", 5074), "-m", str(count), cwd=folder, stdout=output, stderr=output)
        try:
            wait_for(lambda: ":5074" in space.run("ss", "-Hlun"), 10, "the answering phone")
            _sipp(space, version, "call", folder, 5076, count, account="201", callee="202")
            callee.wait(10)
            assert callee.returncode == 0, log.read_text()[-2000:]
        finally:
            callee.kill()
            callee.wait()


def _command(version: int, scenario: str, port: int) -> list[str]:
    address = PHONE[version]
    return ["sipp", "-sf", str(FOLDER / "sipp" / f"{scenario}.xml"), "-i", address, "-p", str(port), "-nostdin", "-skip_rlimit"]


def _sipp(space: Namespace, version: int, scenario: str, folder: Path, port: int, count: int = 1, **keys: str) -> None:
    words = [word for name, value in keys.items() for word in ("-key", name, value)]
    target = PBX[version] if version == 4 else f"[{PBX[version]}]"
    password = ["-au", keys["account"], "-ap", PASSWORDS[keys["account"]]]
    command = [*_command(version, scenario, port), *words, *password, "-m", str(count), "-r", "10", "-timeout", "25", "-timeout_error"]
    done = subprocess.run(
        space.command(*command, "-trace_err", f"{target}:5060"),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    errors = "\n".join(path.read_text()[-3000:] for path in sorted(folder.glob(f"{scenario}_*_errors.log")))
    assert done.returncode == 0, f"sipp {scenario}: exit {done.returncode}\n{done.stdout[-2500:]}\n{errors}"
