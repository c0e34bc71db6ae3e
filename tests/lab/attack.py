"""SIPVicious against the lab's PBX, as Debian packages it and as PyPI has it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.lab.network import PBX, Namespace


@dataclass(frozen=True)
class SipVicious:
    """One installation: ``prefix`` stands before svmap, svwar and svcrack."""

    name: str
    prefix: str

    def commands(self, version: int, port: int) -> list[str]:
        """The whole family, from three local ports beginning with ``port``, with what each tool does by default."""
        six = "-6" if version == 6 else ""
        return [
            f"{self.prefix}svmap {six} -P {port} {PBX[version]}",
            f"{self.prefix}svwar {six} -P {port + 1} --force -e 200-204 -m REGISTER pbx{version}",
            f"{self.prefix}svcrack {six} -P {port + 2} -u 202 -r 200-204 pbx{version}",
        ]


def attack(space: Namespace, tools: list[SipVicious]) -> dict[str, str]:
    """What each command of every installation printed, over IPv4 and IPv6; all at once, because each waits long for answers."""
    commands = [
        command
        for i, tool in enumerate(tools)
        for version in (4, 6)
        for command in tool.commands(version, 5060 + 100 * i + 10 * version)
    ]
    with ThreadPoolExecutor(len(commands)) as pool:
        printed = pool.map(lambda command: space.attempt(command)[1], commands)
    return dict(zip(commands, printed, strict=True))
