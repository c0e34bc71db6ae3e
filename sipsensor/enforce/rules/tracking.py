"""Whether somebody else in this namespace has connections tracked, and how many new ones strangers may then make.

Our own rules never switch tracking on. Where a firewall has it on already, a flood of strangers that the sensor cannot tell from callers
would fill the table, and then nobody gets a connection: so strangers never hold more than half of it.
"""

from __future__ import annotations

import re
from pathlib import Path

from sipsensor.enforce.rules.limits import FlowLimit
from sipsensor.enforce.rules.table import TABLE
from sipsensor.enforce.rules.tools import asked, families

_SYSCTL = Path("/proc/sys/net/netfilter")
_FALLBACK = {"nf_conntrack_max": 65536, "udp": 120, "tcp": 120}

_NFT = re.compile(
    r"\bct (?!helper set|timeout set)[a-z]|\bmasquerade\b|\b[sd]nat\b|\bredirect\b|\bsynproxy\b|\bflow add @"
    r'|xt (match|target) "(conntrack|state|conn\w+|CONN\w+|MASQUERADE|NETMAP|REDIRECT|[SD]NAT|helper|SYNPROXY|cluster)"'
)
_IPTABLES = re.compile(
    r"^-A .*(-m (conntrack|state|conn\w+|helper|cluster)\b|-j (MASQUERADE|NETMAP|REDIRECT|[SD]NAT|CONN\w+|SYNPROXY)\b)",
    re.MULTILINE,
)
_OWN = re.compile(rf"^table inet {TABLE} {{$.*?^}}$", re.MULTILINE | re.DOTALL)
_WORDS = re.compile(r'comment "[^"\n]*"|--comment "[^"\n]*"')
_LEGACY = Path("/proc/net/ip_tables_names")


def tracked_by_others() -> bool:
    """Whether rules beside ours look at connections or translate addresses: then the kernel tracks them. Raises RulesError."""
    listed = _WORDS.sub("", _OWN.sub("", asked(["nft", "-t", "list", "ruleset"]) or ""))
    # Lines without an indent are tables; a chain of the type nat that holds no rule tracks nothing.
    rules = [line for line in listed.splitlines() if line.startswith("\t\t") and not line.startswith("\t\ttype ")]
    if _NFT.search("\n".join(rules)):
        return True
    tools = [f"{tool}-save" for tool, _version in families()]
    tools += ["iptables-legacy-save", "ip6tables-legacy-save"] if _legacy_tables() else []
    return any(_IPTABLES.search(_WORDS.sub("", asked([tool]) or "")) for tool in tools)


def _legacy_tables() -> bool:
    """Whether rules of the old iptables stand here; asking its tool where there are none would make its tables."""
    try:
        return bool(_LEGACY.read_text().strip())
    except OSError:
        return False


def flow_limit() -> FlowLimit:
    """What keeps strangers' connections within half of ``nf_conntrack_max``: a quarter for UDP, a quarter for TCP.

    Half of each quarter may come at once, which is what a power cut does to phones; the rest is spread over the longest time that
    such a connection is remembered without having been closed.
    """
    share = _number("nf_conntrack_max", _FALLBACK["nf_conntrack_max"]) // 4
    udp = max(_number("nf_conntrack_udp_timeout", 30), _number("nf_conntrack_udp_timeout_stream", _FALLBACK["udp"]))
    tcp = max(_number(f"nf_conntrack_tcp_timeout_{state}", 60) for state in ("syn_sent", "syn_recv", "time_wait"))
    burst = max(share // 2, 5)
    return FlowLimit((max(burst // udp, 1), burst), (max(burst // tcp, 1), burst))


def _number(name: str, default: int) -> int:
    try:
        return max(int((_SYSCTL / name).read_text()), 1)
    except (OSError, ValueError):
        return default
