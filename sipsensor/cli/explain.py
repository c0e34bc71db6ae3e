"""``sipsensor explain``: what each step said of one packet, and why it got its verdict.

The packets before it are judged first, so that the state is what it was. Then ``Witness`` watches the engine judge
this one: nothing is judged a second time or in another way for the explanation.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from sipsensor.app import Replay, build_engine, load_signatures
from sipsensor.cli import options
from sipsensor.cli.facts import decision_facts, examined_facts, message_facts, packet_facts
from sipsensor.cli.witness import Witness
from sipsensor.engine import Engine
from sipsensor.model import Mode, Packet
from sipsensor.signatures import SignatureSet
from sipsensor.sources.pcap import Batch, Capture, CaptureError, packets
from sipsensor.sources.pcap.base import RECORD

_LINE = 80
"""Characters of a list that stand on one line."""


@click.command("explain")
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@click.option(
    "--packet",
    "number",
    required=True,
    type=click.IntRange(min=1),
    metavar="N",
    help="Its number, as tshark counts frames.",
)
@options.config
@options.protected
@options.observe
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def command(
    *, file: Path, number: int, config_file: Path | None, protected: tuple[str, ...], observe: bool, as_json: bool
) -> None:
    """Tell what each step said of one packet, and why it got its verdict."""
    settings = options.settings_of(config_file)
    signatures = load_signatures(settings)
    witness = Witness()
    engine = build_engine(
        settings,
        mode=Mode.OBSERVE if observe else Mode.ENFORCE,
        protected=protected or None,
        signatures=signatures,
        seed=Replay.SEED,
        wrap=witness.wrap,
    )
    packet = _replay_up_to(engine, file, number)
    explanation = _explain(engine, witness, signatures, packet)
    if as_json:
        click.echo(json.dumps(explanation))
    else:
        _print(explanation)


def _replay_up_to(engine: Engine, file: Path, number: int) -> Packet:
    """Judge all packets before ``number``, as a replay does, and give that one. Raises CaptureError when there is
    none.
    """
    if file.is_dir():
        raise CaptureError(f"{file}: is a directory; name the one file whose packets are counted")
    count = 0
    for batch in Capture(file).batches():
        before = number - batch.first_number
        part = batch if before >= batch.size else _cut(batch, 0, before)
        if part.records:
            walk = engine.examiner.walk(*part)
            for examined in walk:
                engine.judge(examined)
            engine.tick(walk.last)
        if before < batch.size:
            return next(packets(_cut(batch, before, before + 1)))
        count = batch.first_number + batch.size - 1
    raise CaptureError(
        f"{file}: has {count} packets; choose --packet from 1 to {count}" if count else f"{file}: has no packets"
    )


def _cut(batch: Batch, start: int, end: int) -> Batch:
    size = RECORD.size
    return batch._replace(records=batch.records[start * size : end * size], first_number=batch.first_number + start)


def _explain(engine: Engine, witness: Witness, signatures: SignatureSet, packet: Packet) -> dict[str, Any]:
    examined = engine.examiner.examine(packet)
    witness.watch(engine)
    decision = engine.judge(examined)
    return {
        "packet": packet_facts(packet),
        "examine": examined_facts(examined, signatures),
        "assemble": {
            "pieces_in": 1,
            "messages_out": len(witness.pieces),
            "unfinished_datagrams": len(engine.assembler.fragments),
        },
        "messages": [message_facts(seen, engine) for seen in witness.messages],
        "decision": decision_facts(decision),
        **({"failed": repr(witness.error)} if witness.error else {}),
    }


def _print(value: Any, indent: int = 0, name: str = "") -> None:  # noqa: ANN401
    """A nested object as indented lines."""
    space = "  " * indent
    if isinstance(value, dict):
        if name:
            click.echo(f"{space}{name}" + ("" if value else "  none"))
        for key, inner in value.items():
            _print(inner, indent + bool(name), key)
    elif isinstance(value, list) and any(isinstance(inner, dict | list) for inner in value):
        for position, inner in enumerate(value, 1):
            _print(inner, indent, f"{name} {position}" if len(value) > 1 else name)
    elif isinstance(value, list):
        short = len(value) == 1 or sum(len(str(inner)) for inner in value) <= _LINE
        for inner in [", ".join(map(str, value)) or "none"] if short else value:
            click.echo(f"{space}{name:<16}  {inner}")
            name = ""
    else:
        click.echo(f"{space}{name:<16}  {_word(value)}")


def _word(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
