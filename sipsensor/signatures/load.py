"""Reads signature files: the shipped ones through ``importlib.resources``, then the operator's directories.

A directory of the operator's may add rules with numbers from ``FIRST_LOCAL_ID`` and disable shipped ones by number; it never
edits one, so that a number means the same everywhere.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from sipsensor.signatures.problems import Problems, shown
from sipsensor.signatures.schema import FIRST_LOCAL_ID, Signature, SignatureError
from sipsensor.signatures.validate import place_of, read_rule

SHIPPED = "sipsensor._signatures"
_MAX_FILE = 4 * 1024 * 1024
_INCOMPLETE = "signatures: not one shipped rule was found; the installation is incomplete, install sipsensor again"


def load(directories: Iterable[Path | str] = (), *, shipped: Traversable | None = None) -> tuple[Signature, ...]:
    """All signatures in use, by number: the shipped ones without those that a directory disables, and the directories' own.

    ``shipped`` is another place for the shipped files. Raises ``SignatureError`` with everything that is wrong, and when no rule is left.
    """
    problems = Problems("")
    signatures: list[Signature] = []
    disabled: dict[int, str] = {}
    origin = _shipped() if shipped is None else shipped
    for path in _files(origin, problems, "the shipped signatures"):
        signatures += _read_file(path, f"signatures/{path.name}", problems, disabled, local=False)
    if not signatures and not problems.lines:
        problems.lines.append(_INCOMPLETE)
    for directory in directories:
        for path in _files(Path(directory), problems, str(directory)):
            signatures += _read_file(path, str(path), problems, disabled, local=True)
    _check_together(signatures, disabled, problems)
    if problems.lines:
        raise SignatureError(problems.lines)
    used = tuple(sorted((one for one in signatures if one.id not in disabled), key=lambda one: one.id))
    if not used:
        raise SignatureError(["signatures: every rule is disabled; leave at least one in use"])
    return used


def _shipped() -> Traversable:
    try:
        return resources.files(SHIPPED)
    except ModuleNotFoundError:
        raise SignatureError([_INCOMPLETE]) from None


def _files(directory: Traversable, problems: Problems, name: str) -> list[Traversable]:
    try:
        found = [path for path in directory.iterdir() if path.name.endswith(".toml")]
    except OSError as error:
        problems.lines.append(f"{name}: cannot be read ({error.strerror}); name a directory of signature files")
        return []
    return sorted(found, key=lambda path: path.name)


def _read_file(
    path: Traversable, name: str, problems: Problems, disabled: dict[int, str], *, local: bool
) -> list[Signature]:
    here = problems.at(name)
    content = _parse(path, here)
    if content is None:
        return []
    here.unknown(content, ["rule", "disable"] if local else ["rule"])
    for number in (here.take(content, "disable", list) or []) if local and "disable" in content else []:
        _note_disabled(number, disabled, here)
    rules = content.get("rule", [])
    if not isinstance(rules, list) or not all(isinstance(table, dict) for table in rules):
        here.add("rule", "is not a list of tables; write [[rule]] before each one")
        return []
    signatures = []
    for number, table in enumerate(rules, 1):
        signature = read_rule(table, problems.at(place_of(table, name, number)), file=name, local=local)
        if signature is not None:
            signatures.append(signature)
    return signatures


def _parse(path: Traversable, problems: Problems) -> dict[str, Any] | None:
    try:
        content = path.read_bytes()
        if len(content) > _MAX_FILE:
            problems.add("", f"is larger than {_MAX_FILE} bytes; split it")
            return None
        return tomllib.loads(content.decode())
    except OSError as error:
        problems.add("", f"cannot be read ({error.strerror}); check its permissions")
    except UnicodeDecodeError:
        problems.add("", "is not UTF-8 text; save it as such")
    except tomllib.TOMLDecodeError as error:
        problems.add("", f"is not TOML ({error}); correct that line")
    return None


def _note_disabled(number: object, disabled: dict[int, str], problems: Problems) -> None:
    if not isinstance(number, int) or isinstance(number, bool):
        problems.add("disable", f"{shown(number)} is not a rule's number")
    elif number >= FIRST_LOCAL_ID:
        problems.add("disable", f"{number} is a local rule; delete it instead")
    else:
        disabled[number] = problems.where


def _check_together(signatures: list[Signature], disabled: dict[int, str], problems: Problems) -> None:
    """Numbers and slugs are unique over all files, and what is disabled exists."""
    by_id: dict[int, Signature] = {}
    by_slug: dict[str, Signature] = {}
    for one in signatures:
        where = problems.at(f"{one.file}: rule {one.id} {one.slug}")
        if (other := by_id.setdefault(one.id, one)) is not one:
            where.add("id", f"{one.id} is also that of {other.slug} in {other.file}; take another")
        if (other := by_slug.setdefault(one.slug, one)) is not one:
            where.add("slug", f"{shown(one.slug)} is also that of rule {other.id} in {other.file}; take another")
    for number, where_disabled in disabled.items():
        if number not in by_id and not problems.lines:
            problems.at(where_disabled).add(
                "disable", f"no shipped rule has the number {number}; see sipsensor signatures list"
            )
