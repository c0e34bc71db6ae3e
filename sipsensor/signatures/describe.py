"""A signature in words and as plain objects: for people at the command line, for the generated reference, and for JSON."""

from __future__ import annotations

from typing import Any

from sipsensor.signatures.schema import MAX_NUMBER, NUMBER_KINDS, Leaf, Sample, Signature, Tree

_WORDS = {"equal": "is", "prefix": "starts with", "suffix": "ends with", "contains": "contains", "regex": "matches"}
_UNITS = {"length": " bytes long", "digits": " decimal digits and nothing else", "count": " times", "integer": ""}
_TAGS = {
    "address": "an address and port",
    "user": "the From user",
    "credentials": "the From user and a guessed password",
}
_NOT = "not: "


def lines_of(tree: Tree, depth: int = 0) -> list[str]:
    """The tree as indented lines."""
    indent = "  " * depth
    if isinstance(tree, Leaf):
        return [indent + sentence(tree)]
    if tree.kind == "not":
        first, *rest = lines_of(tree.parts[0], depth)
        return [indent + _NOT + first.strip(), *rest]
    head = "all of:" if tree.kind == "all" else "any of:"
    return [indent + head, *(line for part in tree.parts for line in lines_of(part, depth + 1))]


def sentence(leaf: Leaf) -> str:
    """One comparison in words."""
    if leaf.kind in ("present", "absent"):
        return f"{leaf.field} is {leaf.kind}"
    if leaf.kind == "order":
        return (
            "the header fields are exactly " if leaf.how == "full" else "header fields in this order: "
        ) + ", ".join(leaf.texts)
    if leaf.kind == "anomaly":
        return f"the scan noted: {leaf.text}"
    if leaf.kind == "equal-fields":
        return f"{leaf.field} equals {leaf.text}"
    if leaf.kind == "sipvicious-tag":
        return f"{leaf.field} hides {_TAGS[leaf.text]}, as SIPVicious does"
    if leaf.kind in NUMBER_KINDS:
        return _number_sentence(leaf)
    extra = ", as sent" if leaf.raw else ""
    extra += ", case matters" if leaf.cased else ""
    values = " or ".join(f'"{text}"' for text in leaf.texts)
    return f"{leaf.field} {_WORDS[leaf.how or leaf.kind]} {values}{extra}"


def _number_sentence(leaf: Leaf) -> str:
    low, high = leaf.bounds
    if low == high:
        text = str(low)
    elif high == MAX_NUMBER:
        text = f"{low} or more"
    else:
        text = f"{low} to {high}"
    if leaf.kind == "count" and leaf.field == "*":
        return f"{text} header lines"
    if leaf.kind == "count":
        return f"{leaf.field} occurs {text}{_UNITS['count']}"
    return f"{leaf.field} is {text}{_UNITS[leaf.kind]}"


def as_object(signature: Signature) -> dict[str, Any]:
    """The signature for JSON: keys and values of the schema, samples included."""
    return {
        "id": signature.id,
        "slug": signature.slug,
        "rev": signature.rev,
        "name": signature.name,
        "protocol": signature.protocol.name.lower(),
        "direction": "both" if signature.direction is None else signature.direction.name.lower(),
        "when": signature.when,
        "methods": list(signature.methods),
        "match": tree_object(signature.match),
        "confidence": str(signature.confidence),
        "severity": signature.severity,
        "action": str(signature.action),
        "references": [{"kind": reference.kind, "text": reference.text} for reference in signature.references],
        "false_positives": signature.false_positives,
        "since": signature.since,
        "modified": signature.modified,
        "file": signature.file,
        "samples": {
            "match": [_sample_object(sample) for sample in signature.positive],
            "pass": [_sample_object(sample) for sample in signature.negative],
        },
    }


def tree_object(tree: Tree) -> dict[str, Any]:
    """A match as it is written in a file, defaults left out."""
    if not isinstance(tree, Leaf):
        parts = [tree_object(part) for part in tree.parts]
        return {tree.kind: parts[0] if tree.kind == "not" else parts}
    made: dict[str, Any] = {"kind": tree.kind}
    if tree.field:
        made["field"] = tree.field
    if tree.kind in NUMBER_KINDS:
        low, high = tree.bounds
        made["value"] = low if low == high else {"min": low} | ({"max": high} if high != MAX_NUMBER else {})
    elif tree.value is not None:
        made["value"] = list(tree.texts) if tree.kind in ("any-of", "order") else tree.text
    return (
        made
        | ({"how": tree.how} if tree.how else {})
        | ({"view": "raw"} if tree.raw else {})
        | ({"cased": True} if tree.cased else {})
    )


def _sample_object(sample: Sample) -> dict[str, str]:
    """Text where it is text, with LF as in the files; else hex."""
    text = sample.payload.decode("utf-8", "replace").replace("\r\n", "\n")
    if text.replace("\n", "\r\n").encode() == sample.payload and all(
        letter.isprintable() or letter in "\t\n" for letter in text
    ):
        return {"name": sample.name, "text": text}
    return {"name": sample.name, "hex": sample.payload.hex()}
