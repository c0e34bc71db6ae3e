"""What happens in each recorded case: real tools against the recorder's PBX."""

from __future__ import annotations

import shlex
import time
import wave
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pcaps.recorder.network import OTHER_PHONE, PBX, PHONE
from tests.lab.network import Namespace

SIPP = Path(__file__).parents[2] / "tests" / "lab" / "sipp"
PASSWORDS = {"201": "Kj7-plover-4419", "202": "202"}

# svmap 0.3.8 with another default User-Agent: only structure and tags give it away.
_RENAMED = """
import sys
from sipvicious.libs import svhelper
make = svhelper.makeRequest
make.__defaults__ = tuple("Zoiper v2.10.19.1" if d == "friendly-scanner" else d for d in make.__defaults__)
from sipvicious.svmap import main
sys.exit(main())
"""

_BARESIP = """
module_path /usr/lib/baresip/modules
module stdio.so
module cons.so
module g711.so
module aufile.so
module_tmp uuid.so
module_tmp account.so
module_app menu.so
cons_listen 127.0.0.1:5555
sip_listen {address}:5060
audio_source aufile,{folder}/said.wav
audio_player aufile,{folder}/heard.wav
audio_alert aufile,{folder}/alert.wav
"""


@dataclass(frozen=True)
class Stage:
    """The hosts, a scratch folder, and the folder with the programs of the SIPVicious that PyPI has."""

    hosts: Mapping[str, Namespace]
    folder: Path
    pypi: Path

    def attack(self, command: str, seconds: float = 60) -> str:
        """Run a tool on the attacker's host; what it printed. Its exit status says nothing: svwar fails where it found nothing."""
        status, printed = self.hosts["attacker"].attempt(f"env HOME={self.folder} {command}", self.folder, seconds)
        if "Traceback" in printed:
            raise AssertionError(f"{command}: exit {status}: {printed}")
        return printed


def _pypi(tool: str, options: str) -> Callable[[Stage], None]:
    return lambda stage: _said(stage.attack(f"{stage.pypi}/sipvicious_{tool} {options}"))


def _debian(tool: str, options: str) -> Callable[[Stage], None]:
    return lambda stage: _said(stage.attack(f"/usr/bin/{tool} {options}"))


def _said(printed: str) -> None:
    print("\n".join(printed.splitlines()[-8:]))


def _methods(stage: Stage) -> None:
    for method in ("INVITE", "REGISTER"):
        _pypi("svmap", f"-m {method} {_MAP}")(stage)


def _renamed(stage: Stage) -> None:
    script = stage.folder / "renamed.py"
    script.write_text(_RENAMED)
    _said(stage.attack(f"{stage.pypi}/python {script} {PBX[4]}"))


def _sipp(scenario: str, account: str, options: str, version: int, transport: str) -> str:
    target = f"[{PBX[6]}]" if ":" in PBX[version] else PBX[4]
    who = f"-key account {account} -au {account} -ap {PASSWORDS[account]}"
    common = f"-i {PHONE[version]} -t {transport} -nostdin -skip_rlimit -timeout 25 -timeout_error"
    return f"sipp -sf {SIPP}/{scenario}.xml {common} {who} {options} {target}:5060"


def _sipp_calls(version: int = 4, transport: str = "u1") -> Callable[[Stage], None]:
    """Two registrations and three calls. Phone 202 always speaks UDP."""

    def play(stage: Stage) -> None:
        def command(scenario: str, account: str, options: str) -> str:
            return _sipp(scenario, account, options, version, transport if account == "201" else "u1")

        phone = stage.hosts["phone"]
        phone.run(command("register", "202", "-p 5072 -m 1 -key contact_port 5074"), stage.folder)
        phone.run(command("register", "201", "-p 5076 -m 1 -key contact_port 5076"), stage.folder)
        callee = phone.start(command("answer", "202", "-p 5074 -m 3"), stage.folder / "answer.log", stage.folder)
        time.sleep(1)
        phone.run(command("call", "201", "-p 5078 -key callee 202 -m 3 -r 1"), stage.folder)
        callee.wait(10)

    return play


def _baresip(stage: Stage, host: str, address: str, account: str, options: str) -> None:
    folder = stage.folder / host
    folder.mkdir()
    (folder / "config").write_text(_BARESIP.format(address=address, folder=folder))
    with wave.open(str(folder / "said.wav"), "wb") as said:
        said.setparams((1, 2, 8000, 0, "NONE", "not compressed"))
        said.writeframes(bytes(16000 * 8))
    password = PASSWORDS[account]
    line = f"<sip:{account}@{PBX[4]}>;auth_user={account};auth_pass={password};{options}\n"
    (folder / "accounts").write_text(line)
    stage.hosts[host].start(f"baresip -4 -f {folder} -t 24", stage.folder / f"{host}.log", folder)


def _tell(stage: Stage, host: str, command: str) -> None:
    send = f"import socket; socket.socket(2, 2).sendto({command.encode()!r}, ('127.0.0.1', 5555))"
    stage.hosts[host].run(f"python3 -c {shlex.quote(send)}")


def _baresip_calls(stage: Stage) -> None:
    _baresip(stage, "other", OTHER_PHONE[4], "202", "regint=12")
    _baresip(stage, "phone", PHONE[4], "201", "regint=12")
    time.sleep(2)
    for host, command, pause in (
        ("phone", f"/dial sip:202@{PBX[4]}", 2),
        ("phone", "/hangup", 2),
        ("phone", f"/dial sip:202@{PBX[4]}", 1),
        ("other", "/accept", 2),
        ("phone", "/hangup", 1),
    ):
        _tell(stage, host, command + "\n")
        time.sleep(pause)
    # -t ends them: they take their registrations back.
    time.sleep(16)


_MAP, _MAP6 = f"{PBX[4]}", f"-6 {PBX[6]}"
_WAR = f"-e 195-215 {PBX[4]}"
_CRACK = f"-u 201 -r 190-205 {PBX[4]}"

SCENES: dict[str, Callable[[Stage], None]] = {
    "svmap_debian": _debian("svmap", _MAP),
    "svmap": _pypi("svmap", _MAP),
    "svmap_methods": _methods,
    "svmap_ipv6": _pypi("svmap", _MAP6),
    "svmap_compact": _pypi("svmap", f"-c {_MAP}"),
    "svmap_renamed": _renamed,
    "svwar_debian": _debian("svwar", _WAR),
    "svwar_register": _pypi("svwar", _WAR),
    "svwar_invite": _pypi("svwar", f"-m INVITE {_WAR}"),
    "svwar_options": _pypi("svwar", f"-m OPTIONS {_WAR}"),
    "svwar_compact": _pypi("svwar", f"-c {_WAR}"),
    "svwar_ipv6": _pypi("svwar", f"-6 -e 195-215 {PBX[6]}"),
    "svcrack_debian": _debian("svcrack", _CRACK),
    "svcrack": _pypi("svcrack", _CRACK),
    "sipp_calls": _sipp_calls(),
    "sipp_calls_ipv6": _sipp_calls(6),
    "sipp_calls_tcp": _sipp_calls(4, "t1"),
    "baresip_calls": _baresip_calls,
}
