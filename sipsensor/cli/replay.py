"""``sipsensor replay``: judge capture files."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from sipsensor.app import Differences, Replay, build_engine, calm_collector, load_signatures
from sipsensor.cli import options, output
from sipsensor.cli.main import NO
from sipsensor.engine import Engine
from sipsensor.export.events import EventLog, Summary
from sipsensor.export.events.build import timestamp
from sipsensor.export.events.text import shown
from sipsensor.model import Mode
from sipsensor.sources.pcap import find
from sipsensor.sources.pcap.capture import compile_filter

_SOURCES_SHOWN = 10


@click.command("replay")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@options.config
@options.protected
@options.observe
@click.option(
    "--filter", "expression", default="", metavar="BPF", help="Judge only packets that match (see pcap-filter(7))."
)
@click.option("--json", "as_json", is_flag=True, help="Events as JSON lines, the summary last, instead of tables.")
@click.option("--fail-on-alert", is_flag=True, help="Exit 1 when a rule fired or a packet was dropped.")
@click.option(
    "--verify", is_flag=True, help='Compare with the verdicts in a file of "run --record"; exit 1 when one differs.'
)
def command(  # noqa: PLR0913 - one argument for each option
    *,
    files: tuple[str, ...],
    config_file: Path | None,
    protected: tuple[str, ...],
    observe: bool,
    expression: str,
    as_json: bool,
    fail_on_alert: bool,
    verify: bool,
) -> None:
    """Judge capture files, and directories of them, as if they were one: pcap, pcapng, nanoseconds, gzip.

    Judges as in enforce mode, whatever the configuration says, unless told --observe.
    """
    settings = options.settings_of(config_file)
    if expression:
        compile_filter(expression)
    found = find(files)
    mode = Mode.OBSERVE if observe else Mode.ENFORCE
    signatures = load_signatures(settings)

    def build() -> Engine:
        return build_engine(settings, mode=mode, protected=protected or None, signatures=signatures, seed=Replay.SEED)

    log = EventLog(sys.stdout.buffer) if as_json else None
    replay = Replay(build, log.packet if log else None, expression=expression, verify=verify)
    calm_collector()
    with _progress(found) as progress:
        replay.run(found, progress)
    if log is not None:
        log.write(replay.summary.as_event(time.time_ns()))
    else:
        _tables(replay.summary, mode, len(found))
    for line in replay.notices:
        output.note(shown(line))
    if _is_no(replay, fail_on_alert=fail_on_alert):
        sys.stdout.flush()
        raise click.exceptions.Exit(NO)


@contextmanager
def _progress(files: Sequence[Path]) -> Iterator[Callable[[int], None]]:
    """A progress bar by bytes, where a person looks and the work takes a while."""
    if not output.is_terminal(sys.stderr):
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415 - only when somebody looks
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("judging", total=sum(file.stat().st_size for file in files))
        yield lambda done: bar.update(task, completed=done)


def _is_no(replay: Replay, *, fail_on_alert: bool) -> bool:
    """Is the answer no? With ``--verify`` it is said what differs."""
    answer = fail_on_alert and bool(replay.summary.rules or replay.summary.dropped)
    if replay.differences is not None:
        answer = _verified(replay.differences) or answer
    return answer


def _verified(found: Differences) -> bool:
    for line in found.first:
        output.note(shown(line))
    output.note(
        f"{found.compared} recorded verdicts compared, {found.different} differ, {found.unrecorded} packets carry none"
    )
    return found.different > 0 or found.compared == 0


def _tables(summary: Summary, mode: Mode, files: int) -> None:
    if summary.rules:
        output.table(
            "Alerts",
            ("rule", "id", "alerts", "dropped", "sources", "first packet", "at"),
            (
                (
                    total.rule.slug,
                    total.rule.id,
                    f"{total.alerts:,}",
                    f"{total.dropped:,}",
                    f"{len(total.sources):,}",
                    total.first_number,
                    timestamp(total.first_ts),
                )
                for total in sorted(
                    summary.rules.values(), key=lambda total: (-total.dropped, -total.alerts, total.rule.id)
                )
            ),
        )
    top, other = summary.top_sources(_SOURCES_SHOWN)
    if top:
        rows: list[tuple[str, str]] = [(source, f"{count:,}") for source, count in top]
        output.table(
            "Sources of dropped packets", ("source", "dropped"), [*rows, *([("others", f"{other:,}")] if other else [])]
        )
    output.pairs("Totals", _totals(summary, mode, files))


def _totals(summary: Summary, mode: Mode, files: int) -> Iterator[tuple[str, str]]:
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in summary.drops_by_reason.most_common())
    if files > 1:
        yield "files", f"{files:,}"
    yield "packets", f"{summary.packets:,}"
    yield "SIP messages", f"{summary.sip_messages:,}"
    if summary.iax2_frames:
        yield "IAX2 frames", f"{summary.iax2_frames:,}"
    yield "malformed", f"{summary.malformed:,}"
    yield "sources", f"{summary.sources:,}"
    yield "accepted", f"{summary.accepted:,}"
    would = "" if mode is Mode.ENFORCE else " (observe mode: accepted all the same)"
    yield "dropped", f"{summary.dropped:,}" + (f": {reasons}" if reasons else "") + (would if summary.dropped else "")
    if summary.first_ts is not None and summary.last_ts is not None:
        yield "first packet", timestamp(summary.first_ts)
        yield "last packet", timestamp(summary.last_ts)
    yield "took", f"{summary.elapsed:.3f} s, {summary.packets_per_second:,.0f} packets/s"
