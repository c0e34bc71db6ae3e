"""The reference of the shipped signatures: ``python -m sipsensor.signatures.reference > docs/reference/signatures.md``.

A test compares the file with what this module renders, so the two cannot drift apart.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from sipsensor.fastpath import names
from sipsensor.model import Direction
from sipsensor.signatures.describe import lines_of
from sipsensor.signatures.load import load
from sipsensor.signatures.schema import ID_RANGES, Signature

HEAD = """# Shipped signatures

{count} rules. `sipsensor signatures show ID` prints one with its samples, `sipsensor signatures test` tries them all, and
[docs/signatures.md](../signatures.md) says how to write one.

Do not edit this page: `python -m sipsensor.signatures.reference > docs/reference/signatures.md` makes it from the rules.
"""


def render(signatures: Sequence[Signature]) -> str:
    """The page, with its last line end."""
    lines = [
        HEAD.format(count=len(signatures)),
        *_table(signatures),
        *(line for one in signatures for line in _rule(one)),
        *_words(),
    ]
    return "\n".join(lines) + "\n"


def _table(signatures: Sequence[Signature]) -> Iterator[str]:
    for numbers, _, what in ID_RANGES:
        inside = [signature for signature in signatures if signature.id in numbers]
        if inside:
            yield f"## {what[0].upper()}{what[1:]}: {numbers[0]} to {numbers[-1]}\n"
            yield "| id | rule | confidence | action | severity | name |"
            yield "| --- | --- | --- | --- | --- | --- |"
            for one in inside:
                yield f"| {one.id} | `{one.slug}` | {one.confidence} | {one.action} | {one.severity} | {_cell(one.name)} |"
            yield ""


def _rule(signature: Signature) -> Iterator[str]:
    yield f"## {signature.id} {signature.slug}\n"
    yield f"{signature.name}. Revision {signature.rev}, since {signature.since}, last changed {signature.modified}.\n"
    yield "```text"
    yield from lines_of(signature.match)
    yield "```\n"
    yield f"- Looks at: {_scope(signature)}."
    yield f"- Confidence {signature.confidence}, severity {signature.severity}, action {signature.action}."
    yield f"- False positives: {signature.false_positives}"
    yield from (f"- Reference ({reference.kind}): {reference.text}" for reference in signature.references)
    yield ""


def _scope(signature: Signature) -> str:
    direction = (
        "messages in both directions" if signature.direction is None else f"{signature.direction.name.lower()} messages"
    )
    if signature.direction is Direction.INBOUND:
        direction = "messages to the protected hosts"
    elif signature.direction is Direction.OUTBOUND:
        direction = "messages from the protected hosts"
    if signature.methods:
        return direction.replace("messages", f"{', '.join(signature.methods)} requests")
    return direction.replace("messages", f"{signature.when}s") if signature.when else direction


def _words() -> Iterator[str]:
    """The closed lists that rules choose from."""
    elements = [f"ie.{name}" for name in names.ELEMENTS]
    derived = [name for name in names.FIELDS if name not in names.HEADERS and name not in elements]
    for title, words in (
        ("Fields derived from the message", derived),
        ("Header fields", sorted(names.HEADERS)),
        ("Information elements of IAX2", elements),
        ("Anomalies", sorted(names.ANOMALIES)),
        ("Methods", [method.decode() for method in names.METHODS]),
    ):
        yield f"## {title}\n"
        yield ", ".join(f"`{word}`" for word in words) + ".\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(render(load()))
