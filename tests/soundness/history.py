"""What an engine did and what it holds, as lines of text: two engines are alike where these are."""

from __future__ import annotations

import enum
import hashlib
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from sipsensor.engine import Engine
from sipsensor.fastpath.contents import contents
from sipsensor.fastpath.tables import RateTable, Records, SeenTable
from sipsensor.model import Alert, Cut, Decision, Grant, Observation

TABLES = (RateTable, Records, SeenTable)
FACTS = (
    "protocol", "direction", "kind", "standing", "what", "ts", "transaction", "source_key", "port_key", "sender_key", "repeats", "once_key",
    "outcome", "has_credentials", "account_key", "also", "pair_key", "name_key", "proof", "known", "call_known", "name_known", "relieved",
    "accounts_at", "call_key", "offender", "harmless", "trusted_here", "stalled", "blind", "excused", "spared", "connected",
)  # fmt: skip
"""All that an observation says in numbers."""
OPAQUE = {"Examiner", "Matcher", "SignatureSet", "Networks", "KindTable", "Rule"}
"""What no packet changes."""


def decided(decision: Decision) -> str:
    """One decision, whole."""
    alerts = [alert_of(alert) for alert in decision.alerts]
    cuts = [[cut_of(cut) for cut in cuts] for cuts in (decision.cuts, decision.uncuts)]
    grants = [grant_of(grant) for grant in decision.grants]
    rule = decision.rule.slug if decision.rule else ""
    return (
        f"{int(decision.verdict)} {int(decision.effect)} {decision.reason} {rule} {alerts} {cuts} {grants} "
        f"{observed(decision.observation)}"
    )


def alert_of(alert: Alert) -> tuple[Any, ...]:
    return alert.rule.slug, alert.score, str(alert.scope), sorted(alert.evidence.items())


def cut_of(cut: Cut) -> tuple[Any, ...]:
    return str(cut.scope), cut.address, cut.rule.slug, cut.since, cut.until, cut.account, cut.times


def grant_of(grant: Grant) -> tuple[Any, ...]:
    return int(grant.standing), grant.address, grant.port, grant.until


def observed(observation: Observation | None) -> str:
    """Its numbers, and how the request was that it answers."""
    if observation is None:
        return "-"
    numbers = [plain(getattr(observation, name)) for name in FACTS]
    request = observation.request
    kept = [f"{name}={plain(getattr(request, name))}" for name in names(request)] if request is not None else []
    return f"{numbers} {[each for each in kept if 'method' not in each]}"


def plain(value: object) -> object:
    """A truth is a number in C."""
    if isinstance(value, bool | enum.IntEnum):
        return int(value)
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    return str(value) if isinstance(value, enum.Enum) else value


# --- state -------------------------------------------------------------------------------------------------------------------------


def held(engine: Engine, now: int) -> list[str]:
    """All that the engine remembers, a line for each value, in an order of its own."""
    lines = sorted(walked(engine, "engine", now, set()))
    lines += [f"tables {entry.name} of {entry.capacity}, {entry.evictions} gone" for entry in engine.tables()]
    return lines


def tables_in(lines: Iterable[str]) -> int:
    """How many tables were looked into."""
    return sum(" table of " in line for line in lines)


def walked(part: Any, path: str, now: int, seen: set[int]) -> Iterator[str]:  # noqa: ANN401 - anything
    """Numbers, texts and tables that can be reached from here."""
    if isinstance(part, TABLES):
        yield f"{path}: table of {part.capacity}, {part.evictions} gone: {contents(part, now)}"
    elif part is None or isinstance(part, bool | int | float | str | bytes | bytearray):
        yield f"{path}: {plain(part)!r}"
    elif isinstance(part, set | frozenset):
        yield f"{path}: {sorted(part, key=repr)}"
    else:
        for name, each in parts(part, seen):
            yield from walked(each, f"{path}{name}", now, seen)


def parts(whole: Any, seen: set[int]) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - anything
    """What it consists of: its items, or the attributes of what is sipsensor's own and was not looked into yet."""
    if isinstance(whole, dict):
        yield from ((f"[{plain(key)!r}]", whole[key]) for key in sorted(whole, key=repr))
    elif isinstance(whole, tuple | list):
        yield from ((f"[{place}]", each) for place, each in enumerate(whole))
    elif (
        type(whole).__module__.startswith("sipsensor.") and type(whole).__name__ not in OPAQUE and id(whole) not in seen
    ):
        seen.add(id(whole))
        for name in names(whole):
            value = getattr(whole, name)
            if not callable(value):
                yield f".{name}", value


def names(part: object) -> list[str]:
    """Its attributes; of one that may be compiled only those that can be seen then, too."""
    module = Path(sys.modules[type(part).__module__].__file__ or "")
    typed = (module.parent / f"{module.name.partition('.')[0]}.pxd").exists()
    return [name for name in dir(part) if not name.startswith("_" if typed else "__")]


def digest(lines: Iterable[str]) -> str:
    """A few letters that are the same where the lines are."""
    made = hashlib.blake2b(digest_size=12)
    for line in lines:
        made.update(line.encode())
        made.update(b"\n")
    return made.hexdigest()
