from __future__ import annotations

import pytest

from sipsensor.enforce.rules.features import features
from sipsensor.enforce.rules.table import Features
from sipsensor.enforce.rules.tools import RulesError
from tests.unit.enforce.rules.conftest import Tools


def lacks(tools: Tools, *words: str) -> None:
    tools.answers(
        "nft", "\n".join(f'case "$input" in *"{word}"*) echo No such file >&2; exit 1;; esac' for word in words)
    )


def test_a_kernel_that_takes_everything(stand_ins: Tools) -> None:
    assert features() == Features()
    assert stand_ins.changes == []


def test_each_statement_is_asked_for(stand_ins: Tools) -> None:
    lacks(stand_ins, "queue num")
    assert features() == Features(queue=False)
    lacks(stand_ins, "fib")
    assert features() == Features(fib=False)


def test_what_puts_fragments_together_has_two_ways_back(stand_ins: Tools) -> None:
    lacks(stand_ins, "tproxy")
    assert features().defragment == "socket"
    stand_ins.answers("iptables-restore", 'case "$input" in *socket*) exit 2;; esac')
    assert features().defragment == "ct"
    lacks(stand_ins, "tproxy", "ct state")
    with pytest.raises(RulesError, match="load the module nft_tproxy"):
        features()


def test_nft_is_needed(stand_ins: Tools) -> None:
    stand_ins.answers("nft", "echo 'Operation not supported' >&2; exit 1")
    with pytest.raises(RulesError, match="nft does not take the kernel rules: Operation not supported"):
        features()
