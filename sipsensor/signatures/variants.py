"""Writes a message in the other ways in which it could be sent and mean the same: what an evader tries first (RFC 3261 7.3.1, 7.5, 25.1).

A variant is the bytes of a datagram. All of them come from one message: names of header fields in other cases, their compact
or long forms, white space and folds where the grammar has it, other line ends, leading line ends, letters of the other case
where the rule does not see case, quoted pairs, percent escapes, and a second header field that says something harmless.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from sipsensor.fastpath import names
from sipsensor.signatures.schema import TEXT_KINDS, Leaf, Node, Signature, Tree, leaves_of

_LONG = {
    letter: "-".join(part.capitalize() for part in name.split("-")) for letter, name in names.COMPACT_FORMS.items()
}
_LONG["i"] = "Call-ID"
_COMPACT = {name: letter for letter, name in names.COMPACT_FORMS.items()}
_PARAMETERS = frozenset(["from", "to", "contact", "via"])
_HARMLESS = {
    **dict.fromkeys(["from", "to", "contact"], "<sip:harmless@example.com>;tag=1"),
    "via": "SIP/2.0/UDP 198.51.100.99;branch=z9hG4bKharmless",
}

Lines = list[tuple[str, str]]


class _Sample:
    """A message taken apart: start line, header lines with their names, body. Latin-1, so that any byte survives."""

    def __init__(self, payload: bytes) -> None:
        text = payload.decode("latin-1")
        head, self.end, self.body = text.partition("\r\n\r\n")
        self.start, *rest = head.split("\r\n")
        self.lines: Lines = []
        for line in rest:
            if line[:1] in (" ", "\t") and self.lines:
                name, value = self.lines.pop()
                self.lines.append((name, value + "\r\n" + line))
            else:
                name, _, value = line.partition(":")
                self.lines.append((name, value.strip()))

    @property
    def is_message(self) -> bool:
        """Whether it is a whole head of header lines; what is not has no variants that mean the same."""
        return bool(self.end and self.lines) and all(name.strip() and name.isprintable() for name, _ in self.lines)

    def written(self, lines: Lines, *, end: str = "\r\n", before: str = "", between: str = ": ") -> bytes:
        """The message with these lines; ``between`` stands between a name and its value."""
        head = end.join([self.start, *(name + between + value for name, value in lines)])
        return (before + head + end * 2 + self.body).encode("latin-1")


def variants_of(signature: Signature, payload: bytes) -> Iterator[tuple[str, bytes]]:
    """(what was changed, datagram) for each variant that the signature must match as well.

    Variants of what the signature reads raw are left out: there it asks for the bytes as sent.
    """
    sample = _Sample(payload)
    leaves = leaves_of(signature.match)
    if any(leaf.field in ("head", "datagram") or leaf.kind == "anomaly" for leaf in leaves) or not sample.is_message:
        return
    yield from _of_names(sample)
    yield from _of_line_ends(sample)
    if not any(leaf.raw or leaf.kind == "length" for leaf in leaves):
        yield from _of_white_space(sample)
        yield from _of_escapes(sample)
        yield "everything at once", _at_once(sample)
    yield from _of_case(leaves, payload)
    yield from _of_decoys(sample, signature)


def _of_names(sample: _Sample) -> Iterator[tuple[str, bytes]]:
    changes: dict[str, Callable[[str], str]] = {
        "names in upper case": str.upper,
        "names in lower case": str.lower,
        "names in swapped case": str.swapcase,
        "compact names": lambda name: _COMPACT.get(name.lower(), name),
        "compact names in upper case": lambda name: _COMPACT.get(name.lower(), name).upper(),
        "long names": lambda name: _LONG.get(name.lower(), name),
    }
    for what, change in changes.items():
        yield what, sample.written([(change(name), value) for name, value in sample.lines])


def _of_line_ends(sample: _Sample) -> Iterator[tuple[str, bytes]]:
    yield "LF only", sample.written(sample.lines, end="\n")
    yield "CR only", sample.written(sample.lines, end="\r")
    for what, before in (("CRLF", "\r\n"), ("two CRLF", "\r\n\r\n"), ("LF", "\n"), ("NUL", "\0")):
        yield f"leading {what}", sample.written(sample.lines, before=before)


def _of_white_space(sample: _Sample) -> Iterator[tuple[str, bytes]]:
    for what, between in (
        ("no space after the colon", ":"),
        ("space before the colon", " : "),
        ("tab before the colon", "\t: "),
        ("white space before the colon", " \t : \t "),
        ("fold after the colon", ":\r\n "),
        ("two folds after the colon", ":\r\n \r\n\t"),
        ("fold before the colon", "\r\n : "),
        ("fold with LF before the colon", "\n\t: "),
    ):
        yield what, sample.written(sample.lines, between=between)
    for what, blank in (
        ("extra inner white space", " \t "),
        ("inner folds", "\r\n "),
        ("inner folds with LF", "\n\t"),
        ("inner folds with CR", "\r "),
    ):
        yield what, sample.written([(name, _widened(name, value, blank)) for name, value in sample.lines])
    yield "trailing white space", sample.written([(name, value + " \t ") for name, value in sample.lines])
    yield "a trailing fold", sample.written([(name, value + "\r\n  ") for name, value in sample.lines])


def _widened(name: str, value: str, blank: str) -> str:
    """More white space where some stands already, and around the separators of parameters (RFC 3261 25.1: SEMI, EQUAL, RAQUOT)."""
    long_name = _LONG.get(name.lower(), name).lower()
    pieces = re.split(r'("(?:[^"\\]|\\.)*"|<[^>]*>)', value)
    for number in range(0, len(pieces), 2):
        piece = re.sub(r" +", blank, pieces[number])
        if long_name in _PARAMETERS and (number or long_name == "via"):
            piece = re.sub(r"([;=])", blank + r"\1" + blank, piece)
        pieces[number] = piece
    if len(pieces) > 1 and long_name in _PARAMETERS and pieces[0] == "" and pieces[1].startswith('"'):
        pieces[1] += blank
    return "".join(pieces)


def _of_escapes(sample: _Sample) -> Iterator[tuple[str, bytes]]:
    """Quoted pairs in display names, and percent escapes in the user part of URIs (RFC 3261 25.1, 19.1.2)."""
    quoted = [
        (name, re.sub(r'"([^"\\]+)"', lambda match: '"' + "".join("\\" + letter for letter in match[1]) + '"', value, count=1))
        if _is_name_addr(name) else (name, value)
        for name, value in sample.lines
    ]  # fmt: skip
    if quoted != sample.lines:
        yield "quoted pairs", sample.written(quoted)
    escaped = [
        (name, re.sub(r"(<sips?:)([^@>:;]+)@", _percent, value)) if _is_name_addr(name) else (name, value)
        for name, value in sample.lines
    ]
    if escaped != sample.lines:
        yield "percent escapes", sample.written(escaped)


def _is_name_addr(name: str) -> bool:
    return _LONG.get(name.lower(), name).lower() in ("from", "to", "contact")


def _percent(match: re.Match[str]) -> str:
    return match[1] + "".join(f"%{ord(letter):02x}" for letter in match[2]) + "@"


def _at_once(sample: _Sample) -> bytes:
    lines = [
        (_COMPACT.get(name.lower(), name.swapcase()), _widened(name, value, "\n \t")) for name, value in sample.lines
    ]
    return sample.written(lines, end="\n", before="\r\n", between=" \t:\n ")


def _of_case(leaves: list[Leaf], payload: bytes) -> Iterator[tuple[str, bytes]]:
    """The texts that a rule compares without case, with the other case, wherever they stand in the message."""
    texts = [leaf for leaf in leaves if leaf.kind in TEXT_KINDS and leaf.kind != "regex"]
    if any(leaf.cased for leaf in texts) or any(leaf.kind in ("sipvicious-tag", "regex") for leaf in leaves):
        return
    values = [text for leaf in texts for text in leaf.texts]
    changed = payload.decode("latin-1")
    for text in sorted(values, key=len, reverse=True):
        literal = text.encode().decode("latin-1")
        changed = re.sub(re.escape(literal), lambda match: _swapped(match[0]), changed, flags=re.IGNORECASE)
    if changed.encode("latin-1") != payload:
        yield "value in the other case", changed.encode("latin-1")


def _swapped(text: str) -> str:
    """ASCII letters alone: others have no case on the wire."""
    return "".join(letter.swapcase() if letter.isascii() else letter for letter in text)


def _of_decoys(sample: _Sample, signature: Signature) -> Iterator[tuple[str, bytes]]:
    """A harmless header field of the same name before and behind the one that the rule looks for.

    Only for rules that want something of one header field alone, and forbid nothing: stacks differ in which of two they read.
    """
    leaves = leaves_of(signature.match)
    headers = {leaf.field.partition(".")[0] for leaf in leaves}
    positive = all(leaf.kind in TEXT_KINDS or leaf.kind == "sipvicious-tag" for leaf in leaves) and not _forbids(
        signature.match
    )
    if len(headers) != 1 or not headers <= set(names.HEADERS) or not positive:
        return
    header = headers.pop()
    decoy = (header, _HARMLESS.get(header, "harmless"))
    yield "a decoy before", sample.written([decoy, *sample.lines])
    yield "a decoy behind", sample.written([*sample.lines, decoy])


def _forbids(tree: Tree) -> bool:
    return isinstance(tree, Node) and (tree.kind == "not" or any(_forbids(part) for part in tree.parts))
