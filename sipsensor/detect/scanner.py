"""Signatures: what the matcher found in a message, as alerts (threats.md 1).

The matcher has done its work before Python sees the packet; here a regular expression's suspicion is confirmed, the rule's
direction is respected, and the evidence is quoted. A guessed password is never quoted: svcrack hides it in the From tag
(threats.md 1.2).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sipsensor.detect.base import Observer
from sipsensor.fastpath import iax2, names
from sipsensor.model import WHAT_STATUS, Action, Alert, AppProtocol, Interest, When

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sipsensor.detect.base import Services
    from sipsensor.fastpath import examine
    from sipsensor.model import Observation, Rule, Table

HEADER_ORDER = "header-order"
"""Stands among a rule's fields for the names of all header fields, in their order."""
REDACTED = "(redacted)"

_FIELDS_QUOTED = 4
_VALUE_MAX = 128
"""Characters of a field that are quoted."""
_CREDENTIALS = frozenset(("authorization", "proxy-authorization"))
_WHOLE = frozenset(("head", "datagram"))
"""Fields that hold everything, credentials included: their length is quoted."""
_STATUS_CLASSES = range(WHAT_STATUS + 1, WHAT_STATUS + 8)
_HEX = re.compile(rb"(?:[0-9a-fA-F]{2}){4,}")
_GUESS = re.compile(rb"([^:]*):.*\x01[0-9]+", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ScannerSettings:
    """Settings of the scanner detector: the signatures."""

    action: Action | None = field(
        default=None,
        metadata={
            "doc": "What all signatures do, unless a rule says otherwise.",
            "unit": "off | alert | drop",
        },
    )


class Scanner(Observer):
    """The signatures that match a message, each once."""

    name = "scanner"
    shape = True
    settings_type = ScannerSettings
    interests = (
        Interest(When.JUDGE, AppProtocol.SIP, whats=(*range(names.METHOD_OTHER + 1), *_STATUS_CLASSES)),
        Interest(When.JUDGE, AppProtocol.IAX2, whats=range(iax2.WHAT_VOICE)),
    )

    def __init__(self, settings: ScannerSettings, services: Services) -> None:
        self.settings = settings
        self.signatures = services.signatures
        self.rules: Sequence[Rule] = tuple(dict.fromkeys(services.signatures.rules))

    def observe(self, observation: Observation) -> Sequence[Alert]:
        """An alert for each signature that matches in this direction."""
        examined: examine.Examined = observation.examined
        if not examined.hits and not examined.candidates:
            return ()
        return self._found(observation, examined)

    def _found(self, observation: Observation, examined: examine.Examined) -> Sequence[Alert]:
        signatures = self.signatures
        matched = [*examined.hits, *(index for index in examined.candidates if signatures.confirm(index, examined))]
        alerts: dict[int, Alert] = {}
        for index in matched:
            direction = signatures.directions[index]
            if signatures.protocols[index] == observation.protocol and direction in (None, observation.direction):
                rule = signatures.rules[index]
                if rule.id not in alerts:
                    alerts[rule.id] = Alert(rule, observation, evidence(examined, signatures.fields[index]))
        return list(alerts.values())

    def tables(self) -> Sequence[Table]:
        """It keeps none."""
        return ()

    def tick(self, now: int) -> None:
        """Nothing is remembered."""


def evidence(examined: examine.Examined, fields: Sequence[str]) -> dict[str, str | int]:
    """The first values of the fields that a rule read, printable, bounded, without secrets; fields that do not occur are left out."""
    found: dict[str, str | int] = {}
    for name in fields[:_FIELDS_QUOTED]:
        if name == HEADER_ORDER:
            value: bytes | None = b" ".join(sent for _, sent, _ in examined.headers())
        else:
            value = examined.norm(names.FIELDS[name])
        if value is not None:
            found[name] = _quoted(name, value)
    return found


def _quoted(name: str, value: bytes) -> str:
    if name in _WHOLE:
        return f"{len(value)} bytes"
    return REDACTED if name in _CREDENTIALS or name.startswith("auth.") else _printable(without_guesses(value))


def without_guesses(value: bytes) -> bytes:
    """``value`` with the account alone of what is the hex of account:guess, 0x01 and decimals: svcrack's From tag."""
    return _HEX.sub(_account_alone, value)


def _account_alone(match: re.Match[bytes]) -> bytes:
    guess = _GUESS.fullmatch(bytes.fromhex(match[0].decode()))
    return match[0] if guess is None else guess[1] + b":" + REDACTED.encode()


def _printable(value: bytes) -> str:
    text = value[: _VALUE_MAX * 4].decode("utf-8", "backslashreplace")
    shown = "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)
    return shown if len(shown) <= _VALUE_MAX else shown[: _VALUE_MAX - 3] + "..."
