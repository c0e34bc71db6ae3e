"""What a detector is.

A newcomer copies ``flood.py`` and adds one name to the list in ``detect/__init__.py``; nothing else needs to know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sipsensor.model import Alert, AppProtocol, Direction, Interest, Observation, Rule, Table


class SignatureRules(Protocol):
    """What the scanner needs of the loaded signatures."""

    rules: Sequence[Rule]
    """The rule of each of the matcher's indexes."""
    directions: Sequence[Direction | None]
    """The direction that it is for; None for both."""
    protocols: Sequence[AppProtocol]
    """The protocol that it is for."""
    fields: Sequence[Sequence[str]]
    """What it reads: names of fields, and ``scanner.HEADER_ORDER``."""

    def confirm(self, index: int, examined: Any) -> bool:  # noqa: ANN401
        """Does the rule match for certain? Asked for rules with a regex, whose literal was found."""
        ...


class Services(NamedTuple):
    """What detectors are handed from the rooms above, which they may not import."""

    signatures: SignatureRules


class Observer:
    """What a compiled detector is: the engine calls it without looking the method up."""

    def observe(self, observation: Observation) -> Sequence[Alert]:  # noqa: ARG002 - nothing is said here
        """See ``Detector``."""
        return ()


class Detector(Protocol):
    """One behaviour. It sees only the kinds it declared, in the order of the packets, and keeps its state in bounded tables.

    A class is built as ``Class(settings, services)``; ``settings_type`` is a frozen dataclass beside it with a default for every field.
    """

    @property
    def name(self) -> str:
        """The key of its settings: ``[detectors.<name>]``."""

    @property
    def settings_type(self) -> type:
        """The dataclass of its settings."""

    @property
    def rules(self) -> Sequence[Rule]:
        """Every rule that it may raise."""

    @property
    def interests(self) -> Sequence[Interest]:
        """The kinds that it must see before the verdict, and those that it may see after."""

    def observe(self, observation: Observation) -> Sequence[Alert]:
        """The rules that fire on this observation. Never raises on what came off the wire."""
        ...

    def tables(self) -> Sequence[Table]:
        """How full its tables are, each under a name that no other room uses; empty when it keeps none."""
        ...

    def tick(self, now: int) -> None:
        """Free memory; never needed for a right answer, because every deadline is evaluated against ``observation.ts``."""
        ...
