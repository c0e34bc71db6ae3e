"""The worker of the kernel's sets, against a kernel that refuses on purpose."""

from __future__ import annotations

import json
import re

import pytest

from sipsensor.enforce.sets import Element, KernelSets
from sipsensor.enforce.sets.kernel import AGAIN, BATCH, TRIES
from sipsensor.model import NANOSECONDS

NOW = 1_700_000_000 * NANOSECONDS
LATER = NOW + 600 * NANOSECONDS
_LINE = re.compile(r"^(add|delete) element inet sipsensor (\S+) \{ (.+?)(?: timeout (\d+)s)? \}$")


class Kernel:
    """Takes scripts whole or not at all, as nft does; refuses those that name what it is told to, or that fill a set of ``size``."""

    def __init__(self, size: int = 1000) -> None:
        self.held: dict[tuple[str, str], int] = {}
        self.bad: set[str] = set()
        self.runs = 0
        self.size = size

    def __call__(self, script: str) -> str | None:
        self.runs += 1
        held = dict(self.held)
        for line in script.splitlines():
            found = _LINE.match(line)
            assert found, line
            verb, name, text, seconds = found.groups()
            if text in self.bad:
                return f"Error: {text}: refused"
            if verb == "add":
                held[name, text] = int(seconds or 0)
            else:
                del held[name, text]
        if len(held) > self.size:
            return "Error: Too many open files in system"
        self.held = held
        return None


def source(number: int) -> Element:
    return Element("blocked4", f"203.0.113.{number}")


def test_one_batch_adds_changes_and_removes() -> None:
    kernel = Kernel()
    sets = KernelSets("sipsensor", kernel)
    assert sets.apply({source(1): LATER, source(2): LATER}, NOW)
    assert kernel.held == {("blocked4", "203.0.113.1"): 600, ("blocked4", "203.0.113.2"): 600}
    assert sets.apply({source(2): LATER + 60 * NANOSECONDS, source(3): LATER}, NOW)
    assert kernel.held == {("blocked4", "203.0.113.2"): 660, ("blocked4", "203.0.113.3"): 600}
    assert kernel.runs == 2
    assert set(sets.held) == {source(2), source(3)}


def test_nothing_new_runs_no_tool() -> None:
    kernel = Kernel()
    sets = KernelSets("sipsensor", kernel)
    wanted = {source(1): LATER}
    sets.apply(wanted, NOW)
    assert sets.apply(wanted, NOW + NANOSECONDS)
    assert sets.apply({source(1): LATER + NANOSECONDS}, NOW)  # a second more is not worth a batch
    assert kernel.runs == 1


def test_a_refused_element_does_not_keep_the_others_out() -> None:
    kernel = Kernel()
    kernel.bad = {"203.0.113.77"}
    sets = KernelSets("sipsensor", kernel)
    wanted = {source(number): LATER for number in range(1, 201)}
    sets.apply(wanted, NOW)
    assert len(kernel.held) == 199
    assert (sets.errors, sets.complaint) == (1, "Error: 203.0.113.77: refused")
    assert kernel.runs <= TRIES
    before = kernel.runs
    sets.apply(wanted, NOW + NANOSECONDS)  # it is left alone for a while
    assert kernel.runs == before
    kernel.bad.clear()
    assert sets.apply(wanted, NOW + AGAIN)
    assert len(kernel.held) == 200


def test_a_full_set_holds_what_fits_and_gets_the_rest_when_there_is_room() -> None:
    kernel = Kernel(size=20)
    sets = KernelSets("sipsensor", kernel)
    wanted = {source(number): LATER for number in range(1, 31)}
    now = NOW
    for _ in range(5):
        sets.apply(wanted, now)
        now += NANOSECONDS
    assert len(kernel.held) == 20
    assert sets.errors == 10
    kernel.size = 40
    assert sets.apply(wanted, NOW + AGAIN + 10 * NANOSECONDS)
    assert len(kernel.held) == 30


def test_a_kernel_that_refuses_everything_is_asked_a_bounded_number_of_times() -> None:
    kernel = Kernel(size=0)
    sets = KernelSets("sipsensor", kernel)
    assert not sets.apply({source(number): LATER for number in range(1, 255)}, NOW)
    assert kernel.runs == TRIES
    assert sets.held == {}


def test_a_large_change_comes_in_bounded_batches() -> None:
    kernel = Kernel(size=10 * BATCH)
    sets = KernelSets("sipsensor", kernel)
    wanted = {Element("blocked4", f"198.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}"): LATER for n in range(BATCH + 1)}
    assert not sets.apply(wanted, NOW)
    assert len(kernel.held) == BATCH
    assert sets.apply(wanted, NOW)
    assert len(kernel.held) == BATCH + 1


def listing(kernel: Kernel, name: str) -> str:
    """As nft 1.0.6 lists a set."""
    elements: list[object] = [
        {"elem": {"val": value(text), "timeout": seconds, "expires": seconds}} if seconds else value(text)
        for (held, text), seconds in kernel.held.items()
        if held == name
    ]
    return json.dumps({"nftables": [{"metainfo": {}}, {"set": {"name": name, "elem": elements}}]})


def value(text: str) -> object:
    if " . " in text:
        address, port = text.split(" . ")
        return {"concat": [address, int(port)]}
    address, _, length = text.partition("/")
    return {"prefix": {"addr": address, "len": int(length)}} if length else text


def test_sets_that_somebody_emptied_are_filled_again_and_what_is_strange_goes() -> None:
    kernel = Kernel()
    sets = KernelSets("sipsensor", kernel)
    wanted = {
        source(1): LATER,
        Element("trusted4", "192.0.2.77 . 5062"): LATER,
        Element("blocked_networks6", "2001:db8::/64"): LATER,
    }
    sets.apply(wanted, NOW)
    good = dict(kernel.held)
    kernel.held = {("blocked4", "192.0.2.1"): 500, ("blocked4", "203.0.113.1"): 0}
    sets.read(lambda name: listing(kernel, name), NOW)
    sets.apply(wanted, NOW)
    assert kernel.held == good
    before = kernel.runs
    sets.read(lambda name: listing(kernel, name), NOW)
    assert sets.apply(wanted, NOW)
    assert kernel.runs == before


@pytest.mark.parametrize("listed", [None, "", "no JSON", "[]", '{"nftables": [{"set": {"elem": [7, null]}}]}'])
def test_a_listing_that_cannot_be_read_costs_a_batch_and_no_more(listed: str | None) -> None:
    kernel = Kernel()
    sets = KernelSets("sipsensor", kernel)
    sets.apply({source(1): LATER}, NOW)
    sets.read(lambda _name: listed, NOW)
    assert sets.apply({source(1): LATER}, NOW + 2 * NANOSECONDS)
    assert kernel.held == {("blocked4", "203.0.113.1"): 598}


def test_what_ran_out_in_the_kernel_is_not_removed_again() -> None:
    kernel = Kernel()
    sets = KernelSets("sipsensor", kernel)
    sets.apply({source(1): LATER}, NOW)
    assert sets.apply({}, LATER)
    assert kernel.runs == 1


def test_a_dry_run_counts_and_touches_nothing() -> None:
    sets = KernelSets("sipsensor", None)
    assert sets.apply({source(1): LATER, source(2): LATER}, NOW)
    assert sets.apply({source(1): LATER}, NOW)
    assert sets.changes == 3
    assert set(sets.held) == {source(1)}
