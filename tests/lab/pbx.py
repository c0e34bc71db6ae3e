"""Kamailio as the lab's PBX, and phones made of SIPp."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.lab.network import PBX, PHONE, Namespace, wait_for

FOLDER = Path(__file__).parent
PASSWORDS = {"201": "Kj7-plover-4419", "202": "202"}


@contextlib.contextmanager
def kamailio(space: Namespace, folder: Path, options: str = "") -> Iterator[None]:
    """Serves SIP on the PBX addresses, UDP and TCP, until the end; ``options`` are more of its own."""
    listen = " ".join(f"-l {kind}:{address}:5060" for address in (PBX[4], f"[{PBX[6]}]") for kind in ("udp", "tcp"))
    log = folder / "kamailio.log"
    command = f"kamailio -f {FOLDER}/kamailio.cfg -DD -E -m 32 -M 4 -Y {folder} -w {folder} {listen} {options}"
    server = space.start(command, log)
    try:
        wait_for(lambda: space.run("ss -Hlun").count(":5060") == len(PBX), 15, f"Kamailio, see {log}")
        yield
    finally:
        server.terminate()
        server.wait(10)


@dataclass(frozen=True)
class Phones:
    """Phones of one IP version in a namespace; their logs go to ``folder``."""

    space: Namespace
    version: int
    folder: Path

    def register(self, account: str, port: int, contact: int = 0, transport: str = "u1") -> None:
        """A phone registers its account, over UDP ("u1") or TCP ("t1"). Raises AssertionError when the PBX does not accept it."""
        self._sipp("register", account, f"-p {port} -m 1 -t {transport} -key contact_port {contact or port}")

    def call(self, count: int) -> None:
        """Phone 201 calls 202 that often, which answers. Raises AssertionError unless every call was answered and ended well."""
        self.register_both()
        self.talk(count)

    def register_both(self) -> None:
        """The phones of ``talk``. Raises AssertionError when the PBX does not accept them."""
        self.register("202", 5072, contact=5074)
        self.register("201", 5076)

    def talk(self, count: int, rate: int = 10) -> None:
        """Calls of phones that are registered, ``rate`` a second. Raises AssertionError as ``call`` does."""
        log = self.folder / f"answer-{self.version}.log"
        callee = self.space.start(f"{self._command('answer')} -p 5074 -m {count}", log, self.folder)
        try:
            wait_for(lambda: ":5074" in self.space.run("ss -Hlun"), 30, "the answering phone")
            self._sipp("call", "201", f"-p 5076 -key callee 202 -m {count} -r {rate}")
            callee.wait(30)
            assert callee.returncode == 0, log.read_text()[-2000:]
        finally:
            callee.kill()
            callee.wait()

    def _command(self, scenario: str) -> str:
        # Kamailio's processes may send a call's 200 before its 180: what comes late is no reason to hang up.
        late = "-default_behaviors all,-abortunexp"
        return f"sipp -sf {FOLDER}/sipp/{scenario}.xml -i {PHONE[self.version]} {late} -nostdin -skip_rlimit"

    def _sipp(self, scenario: str, account: str, options: str) -> None:
        target = f"[{PBX[6]}]" if self.version == 6 else PBX[4]
        who = f"-key account {account} -au {account} -ap {PASSWORDS[account]}"
        command = f"{self._command(scenario)} {who} {options} -timeout 25 -timeout_error -trace_err {target}:5060"
        status, printed = self.space.attempt(command, self.folder)
        errors = "\n".join(path.read_text()[-3000:] for path in sorted(self.folder.glob(f"{scenario}_*_errors.log")))
        assert status == 0, f"sipp {scenario}: exit {status}\n{printed[-2500:]}\n{errors}"
