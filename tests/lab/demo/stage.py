"""The play: two networks at once, one with a sensor on its gateway; then what it left, and what came of the claims."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import click

from sipsensor.cli import output
from tests.lab.demo import judge
from tests.lab.demo.board import Board
from tests.lab.demo.side import TOOLS, Side
from tests.lab.network import ATTACKER, PHONE, Namespace, network
from tests.lab.pbx import kamailio
from tests.lab.sensor import COMMAND, GATEWAY, METRICS, scrape, sensor

INTRODUCTION = """\
Two networks, alike: attacker and phones - gateway - PBX. The PBX is Kamailio; it asks
every account for its password, and that of 202 is 202. On one of the two gateways
runs `sipsensor run {mode}`. The same attack on both, at the same time:
"""
CONCLUSION = """\
This was SIPVicious as it is packaged. What the sensor does not do yet stands in README.md.
"""


def play(folder: Path, mode: str) -> bool:
    """Everything, with a sensor in that mode ("--enforce"), on standard output. True when the sensor did what is claimed. Raises AssertionError when the stage could not be set."""
    started = time.monotonic()
    click.echo(INTRODUCTION.format(mode=mode) + "".join(f"    {command}\n" for command in TOOLS.values()))
    with Board() as board, _pool() as pool, _sides(folder, board) as (without, with_it):
        gateway = with_it.network.gateway
        before = _rules(gateway)
        with sensor(gateway, with_it.folder, GATEWAY, mode) as running:
            _act(pool, [without, with_it], board)
            exposed = judge.samples(scrape(running.space))
            status, told = gateway.attempt(f"{COMMAND} status --config {running.folder}/sipsensor.toml")
            stopped = running.stop()
        evidence = judge.Evidence(exposed, judge.events(running.events), told, status, stopped, before, _rules(gateway))
        claims = judge.claims(without, with_it, evidence)
    _show(evidence)
    return _conclude(claims, time.monotonic() - started)


@contextlib.contextmanager
def _pool() -> Iterator[ThreadPoolExecutor]:
    """Threads that are waited for when their networks, and all that runs in them, are gone: nothing can hold them up."""
    with ThreadPoolExecutor(4) as pool:
        yield pool


@contextlib.contextmanager
def _sides(folder: Path, board: Board) -> Iterator[tuple[Side, Side]]:
    def tell(side: Side, row: str, words: str) -> None:
        board.set(row, side.name, words)

    with contextlib.ExitStack() as stack:
        sides = []
        for name in ("without", "with"):
            made = stack.enter_context(network())
            own = folder / name
            own.mkdir()
            stack.enter_context(kamailio(made.pbx, own, "-A TELLS_ACCOUNTS"))
            sides.append(Side(name, made, own, tell))
        yield sides[0], sides[1]


def _act(pool: ThreadPoolExecutor, sides: list[Side], board: Board) -> None:
    """Attack and calls in both networks, until every attack is over. Raises what any of them raised."""
    end = threading.Event()
    phones = [pool.submit(side.phone, end) for side in sides]
    attacks = [pool.submit(side.attack) for side in sides]
    try:
        while not all(attack.done() for attack in attacks) and not any(phone.done() for phone in phones):
            _count(sides, board)
            time.sleep(0.5)
    finally:
        end.set()
    for future in [*phones, *attacks]:
        _result(future)
    _count(sides, board)


def _result(future: Future[None]) -> None:
    future.result()


def _count(sides: list[Side], board: Board) -> None:
    for side in sides:
        for row, source in (("arrived", ATTACKER[4]), ("lost", PHONE[4])):
            sent, arrived = side.packets(source)
            board.set(row, side.name, f"{arrived} of {sent}")


def _rules(space: Namespace) -> str:
    """The kernel rules of a namespace, without counters, and the tables of ours. (iptables leaves empty tables of its own behind.)"""
    saved = "".join(space.run(f"{tool}-save") for tool in ("iptables", "ip6tables"))
    tables = space.run("nft list tables").splitlines()
    return "\n".join(
        [line for line in saved.splitlines() if line.startswith("-")] + [line for line in tables if "sipsensor" in line]
    )


def _show(evidence: judge.Evidence) -> None:
    rows = [
        [
            str(event["timestamp"])[11:19],
            str(event["src_ip"]),
            _shown(event.get("sip", {}).get("method", "")),
            event.get("sipsensor", {}).get("rule", ""),
            event.get("alert", {}).get("action", ""),
        ]
        for event in evidence.events
    ]
    output.table("Alerts of the sensor (its events.jsonl)", ["time", "from", "request", "rule", "packet"], rows[:10])
    if rows[10:]:
        click.echo(f"  and {len(rows) - 10} more\n")
    output.pairs(f"Metrics of the sensor (of http://{METRICS}/metrics)", judge.worth_showing(evidence.samples))
    click.echo("")
    output.pairs("`sipsensor status`, its first part", [])
    first, _, _ = evidence.told.partition("Judged")
    click.echo("".join(f"  {line}\n" if line else "\n" for line in first.rstrip().splitlines()))


def _shown(text: str) -> str:
    """What came off the wire, with nothing in it that a terminal would obey."""
    return text.encode("unicode_escape").decode()


def _conclude(claims: list[tuple[str, bool]], seconds: float) -> bool:
    click.echo("Measured in this run")
    for words, holds in claims:
        click.echo(f"  {'yes' if holds else 'NO '}  {words}")
    kept = all(holds for _, holds in claims)
    click.echo(f"\n{'The sensor did what is claimed' if kept else 'NOT all of it is as claimed'}. {seconds:.0f} s.")
    click.echo(CONCLUSION, nl=False)
    return kept
