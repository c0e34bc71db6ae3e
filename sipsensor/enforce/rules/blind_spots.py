"""What others' rules do to packets before ours see them: the operator should know, and nobody but him can mend it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from sipsensor.enforce.rules.queueing import CHAINS, OWN_CHAINS

_TABLE = re.compile(r"^table (\w+ \S+) {$")
_OFFLOADS = re.compile(r"\bflow (add|offload) @|xt target \"FLOWOFFLOAD\"")
_ENDS = re.compile(r"-j (ACCEPT|NFQUEUE|QUEUE)\b")
_RETURNS = re.compile(r"-j RETURN\b")
_ELSEWHERE = ("PREROUTING", "POSTROUTING")


def offloaded(ruleset: str) -> Iterator[str]:
    """Flowtables (``nft list ruleset``): the packets of a flow in one meet no rule any more."""
    table, told = "", ""
    for line in ruleset.splitlines():
        found = _TABLE.match(line)
        table = found[1] if found else table
        if _OFFLOADS.search(line) and told != table:
            told = table
            yield f"a flowtable of the nft table {table} carries packets past all rules; leave the SIP and IAX2 ports out of it"


def passed_by(saved: Sequence[str]) -> Iterator[str]:
    """Rules of the mangle table (``-S``) that end the way of a packet before our jump, which is the last."""
    for line in saved:
        words = line.split()
        if words[:1] != ["-A"] or words[1] in OWN_CHAINS or words[1] in _ELSEWHERE:
            continue
        if _ENDS.search(line) or (words[1] in CHAINS and _RETURNS.search(line)):
            yield f"packets that match a rule in front of ours are not judged: {line}"
