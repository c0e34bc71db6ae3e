"""What nftables can do on this kernel: asked with rules that are checked and never set."""

from __future__ import annotations

from sipsensor.enforce.rules import queueing
from sipsensor.enforce.rules.table import Defragmenter, Features
from sipsensor.enforce.rules.tools import RulesError, run

_PROBE = "table inet sipsensor-probe {{\n chain probe {{\n  {rule}\n }}\n}}\n"
_PROBE_CHAIN = "sipsensor-probe"


def features() -> Features:
    """Of this kernel and its tools. Raises RulesError when nft is missing or refuses everything, with its complaint."""
    refused = _refused("accept")
    if refused is not None:
        raise RulesError(f"nft does not take the kernel rules: {refused}")
    return Features(
        queue=_refused("queue num 9 bypass") is None,
        defragment=_defragmenter(),
        fib=_refused("fib daddr type local accept") is None,
        notrack=_refused("notrack") is None,
    )


def _defragmenter() -> Defragmenter:
    """The first that this kernel has; the last one tracks connections, except those of our ports."""
    if _refused("meta l4proto udp tproxy to :1") is None:
        return "tproxy"
    script = f"*mangle\n:{_PROBE_CHAIN} - [0:0]\n-A {_PROBE_CHAIN} {queueing.SOCKET}\nCOMMIT\n"
    if run(["iptables-restore", "-w", "5", "--noflush", "--test"], script) is None:
        return "socket"
    refused = _refused("ct state invalid accept") or _refused("notrack")
    if refused is not None:
        raise RulesError(f"nothing here puts fragments together: load the module nft_tproxy ({refused})")
    return "ct"


def _refused(rule: str) -> str | None:
    return run(["nft", "-c", "-f", "-"], _PROBE.format(rule=rule))
