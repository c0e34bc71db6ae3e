"""``sipsensor status``: how the running sensor does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from sipsensor import __version__
from sipsensor.cli import asking, options, output
from sipsensor.cli.main import NO
from sipsensor.control import ControlError
from sipsensor.control.client import ask
from sipsensor.export.events.text import shown

Answer = Mapping[str, Any]

_MICRO, _MILLI = 1e6, 1e-3


@click.command("status")
@options.config
@click.option(
    "--socket",
    metavar="PATH",
    help="The sensor's control socket. In place of control.socket.",
)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON: times in seconds.")
def command(config_file: Path | None, socket: str | None, *, as_json: bool) -> None:
    """Ask the running sensor how it does: queues, rates, what passed uninspected, kernel rules, tables, last errors.

    Exit 1 when no sensor answers, or when it is not well: the line "troubles" says why. Rates are those of the last ten seconds.
    """
    path = socket or options.settings_of(config_file).control.socket
    if not path:
        raise click.UsageError(
            "control.socket is empty, so the sensor listens nowhere; set it, or name a socket with --socket."
        )
    try:
        answer = ask(path, "status")
    except ControlError as error:
        output.note(shown(str(error)))
        raise click.exceptions.Exit(NO) from None
    if as_json:
        click.echo(json.dumps(answer, indent=2))
    else:
        _show(answer)
    if answer.get("troubles"):
        raise click.exceptions.Exit(NO)


def _show(answer: Answer) -> None:
    try:
        _print(answer)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        said = shown(str(answer.get("version", "unknown")))
        output.note(f"the sensor is of version {said}, and this command of {__version__}: ask with --json")
        raise click.exceptions.Exit(NO) from None


def _print(answer: Answer) -> None:
    """For people. Everything came through a socket, so everything is escaped."""
    output.pairs("", [(name, shown(value)) for name, value in _posture(answer)], indent=0)
    click.echo("")
    names = [shown(str(queue["queue"])) for queue in answer["queues"]]
    output.table("Queues", ("queue", *names), _queues(answer))
    output.pairs("Judged", _judged(answer))
    click.echo("")
    output.table("Tables", ("table", "entries", "capacity", "fill", "evictions"), _tables(answer))
    faults = list(_faults(answer))
    output.pairs("Faults", faults or [("none", "")])
    errors = answer["errors"]
    if errors:
        click.echo("")
        output.pairs("Last errors", [(asking.ago(error["time"]), shown(str(error["line"]))) for error in errors])


def _posture(answer: Answer) -> Iterator[tuple[str, str]]:
    yield "sipsensor", f"{answer['version']}, process {answer['process']}, up {asking.span(answer['uptime'])}"
    troubles: Sequence[str] = answer["troubles"]
    yield "troubles", troubles[0] if troubles else "none"
    for trouble in troubles[1:]:
        yield "", trouble
    differs = f" (configured: {answer['configured_mode']})" if answer["mode"] != answer["configured_mode"] else ""
    reverts = f", reverts {asking.until(answer['reverts'])} unless confirmed" if answer.get("reverts") else ""
    yield "mode", f"{answer['mode']}{differs}{reverts}, on a {answer['placement']}"
    protected = [str(each) for each in answer["protected"] or answer["inside"]]
    yield "protects", ", ".join(protected) or "every address it sees"
    rules = answer["rules"]
    stand = "in place" if rules["in_place"] else "NOT in place"
    again = (
        f", put back {rules['put_back']} times, missing for at most {asking.span(rules['missing_seconds'])}"
        if rules["put_back"]
        else ""
    )
    yield "rules", f"{stand} ({rules['backend']}), looked at {asking.span(rules['last_look'])} ago{again}"
    cuts, orders, standing = answer["cuts"], answer["orders"], answer["standing"]
    yield "cut", ", ".join(f"{count} {scope}s" for scope, count in cuts.items()) + f", {orders['bans']} bans by order"
    yield "known", f"{standing['trusted']} trusted, {standing['proven']} proven, {orders['trusted']} trusted by order"
    held = answer["kernel_sets"]
    yield "kernel sets", f"{held['blocked']} blocked, {held['trusted']} trusted"
    rates = answer["rates"]
    shown_rates = {
        "packets/s": rates["packets"],
        "kB/s": rates["bytes"] / 1000,
        "messages/s": rates["messages"],
        "drops/s": rates["drops"],
    }
    yield "rates", ", ".join(f"{rate:.1f} {unit}" for unit, rate in shown_rates.items())


def _queues(answer: Answer) -> Iterator[tuple[str, ...]]:
    reckoned = answer["uninspected_reckoned"]
    columns = [list(_queue(queue, reckoned=reckoned)) for queue in answer["queues"]]
    for cells in zip(*columns, strict=True):
        yield (cells[0][0], *(value for _, value in cells))


def _queue(queue: Answer, *, reckoned: bool) -> Iterator[tuple[str, str]]:
    yield "number", str(queue["number"])
    yield "waiting", "unknown" if queue["waiting"] is None else str(queue["waiting"])
    yield "capacity", str(queue["capacity"])
    yield "packets", str(queue["packets"])
    yield "dropped", str(queue["dropped"])
    yield "lost", "unknown" if queue["lost"] is None else str(queue["lost"])
    yield "uninspected", str(queue["uninspected"]) if reckoned else "unknown"
    yield "half within", _latency(queue["latency_p50"])
    yield "99 of 100 within", _latency(queue["latency_p99"])


def _judged(answer: Answer) -> Iterator[tuple[str, object]]:
    yield "messages", f"{answer['messages']}, and {answer['malformed']} malformed"
    yield "verdicts", f"{answer['verdicts']['accept']} to accept, {answer['verdicts']['drop']} to drop"
    drops = [f"{reason} {count}" for reason, count in answer["drops"].items() if count]
    yield "drops", shown(", ".join(drops)) or "none"
    alerts = [f"{rule} {count}" for rule, count in answer["alerts"].items() if count]
    yield "alerts", shown(", ".join(alerts)) or "none"
    yield "rate limited", answer["rate_limited"]
    yield "above the limit of their source", answer["source_limited"]
    yield "trusted above their limits", answer["trusted_fallen"]
    yield "events left out", answer["events_left_out"]


def _tables(answer: Answer) -> Iterator[tuple[str, ...]]:
    for table in answer["tables"]:
        entries, capacity = table["entries"], table["capacity"]
        yield (
            shown(str(table["name"])),
            str(entries),
            str(capacity),
            f"{entries / max(capacity, 1):.1%}",
            str(table["evictions"]),
        )


def _faults(answer: Answer) -> Iterator[tuple[str, object]]:
    for name in (
        "restarts",
        "hangs",
        "engine_errors",
        "failures",
        "lost_writes",
        "enforcement_errors",
        "store_errors",
        "quarantined",
    ):
        if answer[name]:
            yield name.replace("_", " "), answer[name]
    for name in ("unjudged_accepted", "unjudged_dropped", "forged", "truncated", "netlink_errors"):
        count = sum(queue[name] for queue in answer["queues"])
        if count:
            yield name.replace("_", " "), count


def _latency(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds * _MICRO:g} µs" if seconds < _MILLI else f"{seconds / _MILLI:g} ms"
