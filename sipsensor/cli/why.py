"""``sipsensor why``: what the sensor knows of an address or an account, and why it drops it."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from sipsensor.cli import asking, output
from sipsensor.cli.asking import Answer
from sipsensor.export.events.text import shown
from sipsensor.export.recording import create


@click.command("why")
@click.argument("about", metavar="ADDRESS|ACCOUNT")
@click.option(
    "--pcap",
    "pcap_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the last packets of that address there, mode 0600.",
)
@click.option("--credentials", is_flag=True, help="Leave digests and passwords in them (root alone).")
@asking.sensor
def command(
    *,
    about: str,
    pcap_file: Path | None,
    credentials: bool,
    config_file: Path | None,
    socket: str | None,
    as_json: bool,
) -> None:
    """Tell what is known of an address or an account: its standing, what is cut and until when, budgets, rules that fired, how to undo it.

    Packets are kept from the first alert on, the last ones of each address (limits.evidence_packets).
    """
    if credentials and pcap_file is None:
        raise click.UsageError("--credentials needs --pcap.")
    arguments = {"about": about, "packets": pcap_file is not None, "credentials": credentials}
    answer = dict(asking.order(config_file, socket, "why", arguments))
    packets = answer.pop("pcap", None)
    asking.show(answer, _print, as_json=as_json)
    if pcap_file is not None and isinstance(packets, str):
        with create(pcap_file) as file:
            file.write(base64.b64decode(packets))
        output.note(f"wrote {pcap_file}" + ("" if credentials else ", without digests and passwords"))


def _print(answer: Answer) -> None:
    asking.lines(_address(answer) if "address" in answer else _account(answer))
    click.echo("")
    for title, key in (("Cut now", "cuts"), ("Remembered offences", "offences")):
        if answer[key]:
            asking.cuts_table(title, answer[key])
    if answer.get("said"):
        output.table("Rules that fired", ("rule", "reason", "alerts", "dropped", "last", "evidence"), _said(answer))
    output.table("Budgets", ("budget", "used", "of", "seconds"), _budgets(answer))
    asking.lines([("undo", each) for each in answer["undo"]] or [("undo", "nothing to undo")])


def _address(answer: Answer) -> Iterator[tuple[str, object]]:
    yield (
        "address",
        answer["address"] + ("" if answer["source"] == answer["address"] else f", counted as {answer['source']}"),
    )
    yield "mode", answer["mode"]
    yield "standing", answer["best_standing"]
    for port in answer["standing"]:
        yield "", f"{port['address']} port {port['port']}: {port['standing']}" + _for(port)
    yield "known accounts", answer["known_accounts"]
    exempt = [name for name in ("allowlisted", "trunk", "proxy") if answer[name]]
    if exempt:
        yield "exempt", ", ".join(exempt)
    for name, orders in (("banned by order", "bans"), ("trusted by order", "trusted")):
        for each in answer["orders"][orders]:
            yield name, f"{each['network']} until {asking.until(each['until'])}"
    if answer["spared_until"]:
        yield "spared", f"not cut until {asking.until(answer['spared_until'])}"
    yield "cut until", asking.until(answer["until"]) if answer["until"] else "not cut"
    yield "dropped", f"{answer['dropped']} packets, as far as is remembered; the last {answer['packets']} are kept"
    if answer["score"]:
        yield "score", answer["score"]


def _account(answer: Answer) -> Iterator[tuple[str, object]]:
    yield "account", f"{answer['account']} (key {answer['key']})"
    yield "mode", answer["mode"]
    yield "known", f"accepted from {answer['sources']} sources" if answer["known"] else "the PBX never accepted it"
    for port in answer["registered"]:
        yield "registered", f"{port['address']} port {port['port']}"
    yield "cut until", asking.until(answer["until"]) if answer["until"] else "not cut"


def _for(port: Mapping[str, Any]) -> str:
    return f" for {port['account']}" if port["account"] else ""


def _said(answer: Answer) -> Iterator[tuple[object, ...]]:
    for line in answer["said"]:
        evidence = ", ".join(f"{key} {value}" for key, value in line["evidence"].items())
        yield (
            shown(str(line["rule"])),
            shown(str(line["reason"])),
            int(line["alerts"]),
            int(line["dropped"]),
            asking.ago(line["last"]),
            shown(evidence),
        )


def _budgets(answer: Answer) -> Iterator[tuple[object, ...]]:
    for each in answer["budgets"]:
        yield shown(str(each["budget"])), float(each["used"]), int(each["limit"]), int(each["seconds"])
