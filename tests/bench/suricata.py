"""Suricata 8 to compare with: inline on a queue, and over capture files, with as many rules as ours look at in a REGISTER.

It is the one in $PATH, or that of Debian sid in build/suricata (``make bench-suricata`` fetches it). Anything below 8 lacks the keywords.
"""

from __future__ import annotations

import functools
import os
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.lab import sid

RULES = """
drop sip any any -> any any (msg:"friendly-scanner"; sip.user_agent; content:"friendly-scanner"; nocase; sid:1; rev:1;)
drop sip any any -> any any (msg:"SIPVicious"; sip.user_agent; content:"sipvicious"; nocase; sid:2; rev:1;)
drop sip any any -> any any (msg:"sipcli"; sip.user_agent; content:"sipcli/"; nocase; startswith; sid:3; rev:1;)
drop sip any any -> any any (msg:"svmap's From"; sip.from; content:"sip|3a|100@1.1.1.1"; nocase; sid:4; rev:1;)
drop sip any any -> any any (msg:"nmap"; sip.uri; content:"sip|3a|nm"; startswith; sid:5; rev:1;)
alert sip any any -> any any (msg:"REGISTER flood"; sip.method; content:"REGISTER"; detection_filter:track by_src, count 1000000, seconds 10; sid:6; rev:1;)
"""
"""Five of our commonest signatures and one of our rates, which nothing here reaches."""

SETTINGS = """%YAML 1.1
---
vars:
  address-groups: {{HOME_NET: "any", EXTERNAL_NET: "any"}}
default-log-dir: {folder}
outputs:
  - eve-log: {{enabled: yes, filetype: regular, filename: eve.json, types: [alert]}}
stats: {{enabled: no}}
logging:
  default-log-level: notice
  outputs: [console: {{enabled: yes}}]
nfq: {{mode: accept, batchcount: 20, fail-open: no}}
pcap-file: {{checksum-checks: no}}
app-layer:
  protocols:
    sip: {{enabled: yes}}
max-pending-packets: 1024
default-rule-path: {folder}
rule-files: [sip.rules]
classification-file: {folder}/classification.config
reference-config-file: {folder}/reference.config
"""


class MissingError(Exception):
    """There is no Suricata 8 here. The text says how to get it."""


@dataclass(frozen=True)
class Suricata:
    """One that can be started. ``tree`` is the folder it lives in, None where it is the machine's own."""

    tree: Path | None

    def inline(self, folder: Path, queue: int) -> str:
        """What serves a queue, as a command for a namespace; its configuration is put into ``folder``."""
        return self._command(folder, f"-q {queue} --runmode workers")

    def offline(self, folder: Path, capture: Path) -> list[str]:
        """What reads a capture file in one thread, as a command. The file has to stand in ``folder``."""
        line = self._command(folder, f"-r {self._seen(folder)}/{capture.name} --runmode single -k none")
        around = ["unshare", "--mount", "--propagation", "private"] if self.tree else []
        return [*around, *shlex.split(line)]

    def _seen(self, folder: Path) -> Path:
        return Path("/lab") if self.tree else folder

    def _command(self, folder: Path, arguments: str) -> str:
        seen = self._seen(folder)
        (folder / "suricata.yaml").write_text(SETTINGS.format(folder=seen))
        (folder / "sip.rules").write_text(RULES)
        for name in ("classification", "reference"):
            (folder / f"{name}.config").write_text("")
        line = f"suricata -c {seen}/suricata.yaml -l {seen} {arguments}"
        return sid.command(self.tree, folder, line) if self.tree else line


@functools.cache
def find() -> Suricata:
    """The one that is here. Raises MissingError."""
    own = shutil.which("suricata")
    if own is not None:
        said = subprocess.run([own, "--build-info"], capture_output=True, text=True, check=False).stdout
        found = re.search(r"Suricata version (\d+)", said)
        if found and int(found[1]) >= 8:
            return Suricata(None)
    tree = sid.BUILT / "suricata"
    if (tree / "usr/bin/suricata").exists() and os.geteuid() == 0:
        return Suricata(tree)
    raise MissingError("no Suricata 8 in $PATH nor in build/suricata: make bench-suricata (root, Debian, 220 MB)")


if __name__ == "__main__":
    try:
        print(sid.tree("suricata", "usr/bin/suricata"))  # noqa: T201
    except sid.TreeError as problem:
        raise SystemExit(f"make: {problem}") from None
