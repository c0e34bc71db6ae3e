"""Running nft, iptables and ip6tables: one script in, one line of complaint out."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

SECONDS = 10
"""A tool that takes longer is given up."""
CAP_NET_ADMIN = 12
_IPV6 = Path("/proc/net/if_inet6")
_STATUS = Path("/proc/self/status")


class RulesError(Exception):
    """The kernel rules cannot be set or read; the text is one line for the operator."""


def call(command: list[str], script: str = "") -> subprocess.CompletedProcess[str] | None:
    """Run a tool with ``script`` as its input; None when it is not installed. Raises RulesError when it hangs.

    In a session of its own, so that the operator's Ctrl-C does not kill it halfway.
    """
    path = shutil.which(command[0]) or shutil.which(command[0], path="/usr/sbin:/sbin:/usr/bin:/bin")
    if path is None:
        return None
    try:
        return subprocess.run(  # noqa: S603
            [path, *command[1:]],
            input=script,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
            start_new_session=True,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise RulesError(f"{command[0]} did not finish within {SECONDS} s; see what holds it up") from None


def run(command: list[str], script: str = "") -> str | None:
    """None when the tool did it, else its complaint in one line. Raises RulesError when it hangs."""
    done = call(command, script)
    if done is None:
        return f"{command[0]} is not installed"
    complaint = " ".join((done.stderr or done.stdout).split())
    return None if done.returncode == 0 else complaint or f"exit {done.returncode}"


def asked(command: list[str]) -> str | None:
    """What a tool printed, or None when it is missing or says no. Raises RulesError when it hangs."""
    done = call(command)
    return done.stdout if done is not None and done.returncode == 0 else None


def families() -> tuple[tuple[str, int], ...]:
    """(iptables tool, IP version) of the versions that this kernel speaks."""
    return (("iptables", 4), *((("ip6tables", 6),) if _IPV6.exists() else ()))


def legacy() -> bool:
    """Whether ``iptables`` is the old one, whose rules do not count in nft's ruleset generation."""
    return "legacy" in (asked(["iptables", "-V"]) or "")


def privileged() -> bool:
    """Whether this process may ask netfilter anything: CAP_NET_ADMIN is in its effective set."""
    for line in _STATUS.read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> CAP_NET_ADMIN & 1)
    return False


def need_privilege() -> None:
    """Raises RulesError with what to do about it, where this process may not touch the rules."""
    if not privileged():
        raise RulesError("the kernel rules need CAP_NET_ADMIN; run it as root")
