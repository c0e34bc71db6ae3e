"""Read one TOML file and give typed settings, or every fault in it at once.

pydantic checks types strictly (a quoted number is no number); keys, ranges and networks are checked here, because
their messages must name a remedy. Raises ``ConfigError`` with a line for each fault; nothing else comes out of
``load`` for whatever stands in the file.
"""

from __future__ import annotations

import ipaddress
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, get_type_hints

from sipsensor import detect
from sipsensor.config.errors import ConfigError
from sipsensor.config.settings import Placement, RuleSettings, Settings
from sipsensor.model import Limit

PORT_MAX = 65535
_NAME_MAX = 253
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?", re.ASCII)
_NUMBER = re.compile(r"[+*#0-9A-Za-z.:_-]{1,64}", re.ASCII)
MARK_BITS = 2
FILE_LIMIT = 1 << 20
"""Bytes of a configuration file that are read at most."""


class Fault(NamedTuple):
    """One thing that is wrong. ``remedy`` says what to do."""

    key: str
    what: str
    remedy: str


def detector_settings() -> dict[str, type[Any]]:
    """Name and settings class of every detector, in the order of ``detect.DETECTORS``."""
    return {kind.name: kind.settings_type for kind in detect.DETECTORS}


def defaults() -> Settings:
    """What an empty file gives: every key at its default."""
    made = {name: kind() for name, kind in detector_settings().items()}
    return Settings(detectors=MappingProxyType(made))


def load(path: Path) -> Settings:
    """The settings of a file. Raises ConfigError when it cannot be read, is no TOML, or anything in it is wrong."""
    return parse(read(path), str(path))


def read(path: Path) -> str:
    """The text of a configuration file. Raises ConfigError when there is none to read."""
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_LIMIT + 1)
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}; name an existing file with --config"]) from None
    if len(raw) > FILE_LIMIT:
        raise ConfigError([f"{path}: larger than {FILE_LIMIT} bytes; this is no configuration file"])
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8"]) from None


def parse(text: str, source: str) -> Settings:
    """The settings in ``text``; ``source`` names it in errors. Raises ConfigError."""
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(
            [f"{source}: no valid TOML: {str(error) or 'nested too deep'}; correct the syntax there"]
        ) from None
    return from_table(data, source)


def from_table(data: Mapping[str, Any], source: str) -> Settings:
    """The settings in what a TOML parser made of a file; ``source`` names it in errors. Raises ConfigError."""
    faults: list[Fault] = []
    settings = _settings(dict(data), faults)
    if settings is not None:
        faults.extend(_ranges(settings, ""))
        faults.extend(_networks(settings))
        faults.extend(_texts(settings))
        faults.extend(_together(settings))
    if settings is None or faults:
        raise ConfigError([f"{source}: {fault.key}: {fault.what}; {fault.remedy}" for fault in faults])
    return settings


def _settings(data: dict[str, Any], faults: list[Fault]) -> Settings | None:
    tables = {name: data.pop(name, {}) for name in ("detectors", "rules")}
    faults.extend(_unknown_keys(Settings, {**data, **dict.fromkeys(tables)}, ""))
    base = _validate(Settings, data, "", faults)
    for name, table in tables.items():
        if not isinstance(table, dict):
            faults.append(Fault(name, "is not a section", f'write it as [{name}."<name>"]'))
            tables[name] = {}
    detectors = _detectors(tables["detectors"], faults)
    rules: dict[str, RuleSettings] = {}
    for slug, table in tables["rules"].items():
        key = f'rules."{slug}"'
        rule = _validate_section(RuleSettings, table, key, faults)
        if rule is not None and "action" not in table:
            faults.append(Fault(key, "has no action", 'add action = "off", "alert" or "drop"'))
        if rule is not None:
            rules[slug] = rule
    if base is None:
        return None
    complete: Settings = replace(base, detectors=MappingProxyType(detectors), rules=MappingProxyType(rules))
    return complete


def _detectors(tables: dict[str, Any], faults: list[Fault]) -> dict[str, Any]:
    known = detector_settings()
    faults.extend(
        Fault(f"detectors.{name}", "there is no such detector", _suggest(name, known))
        for name in tables
        if name not in known
    )
    made: dict[str, Any] = {}
    for name, kind in known.items():
        checked = _validate_section(kind, tables.get(name, {}), f"detectors.{name}", faults)
        if checked is not None:
            faults.extend(_ranges(checked, f"detectors.{name}."))
            made[name] = checked
    return made


def _validate_section(kind: type[Any], table: Any, key: str, faults: list[Fault]) -> Any:  # noqa: ANN401
    if not isinstance(table, dict):
        faults.append(Fault(key, "is not a section", f"write it as [{key}]"))
        return None
    faults.extend(_unknown_keys(kind, table, f"{key}."))
    return _validate(kind, table, f"{key}.", faults)


def _validate(kind: type[Any], table: dict[str, Any], prefix: str, faults: list[Fault]) -> Any:  # noqa: ANN401
    """An instance of the dataclass, or None with the faults appended."""
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415 - half of a command's start, where there is no file

    try:
        # By way of JSON, because pydantic's strict mode there takes an array for a tuple and a string for a member of an enumeration.
        return TypeAdapter(kind).validate_json(json.dumps(table, default=str), strict=True)
    except ValidationError as error:
        for detail in error.errors():
            path = ".".join(str(part) for part in detail["loc"] if not _is_internal(part)) or prefix.rstrip(".")
            what = _message(detail)
            faults.append(Fault(f"{prefix}{path}" if detail["loc"] else path, what, _remedy(kind, detail["loc"])))
        return None


def _is_internal(part: int | str) -> bool:
    """Parts of a location that name a branch of pydantic's schema rather than a key."""
    return isinstance(part, str) and ("[" in part or part.startswith(("function-", "is-instance")))


def _message(detail: Mapping[str, Any]) -> str:
    text = (
        str(detail["msg"])
        .removeprefix("Value error, ")
        .replace("valid array", "list")
        .replace("an object", "a section")
    )
    text = text[:1].lower() + text[1:]
    given = detail.get("input")
    if isinstance(given, str | int | float | bool):
        return f"{text}, not {given!r}"
    return text


def _remedy(kind: type[Any], location: tuple[int | str, ...]) -> str:
    """What the documentation of the key says, as far as the location leads into known keys."""
    for part in location:
        if not is_dataclass(kind):
            break
        found = next((item for item in fields(kind) if item.name == part), None)
        if found is None:
            break
        inner = get_type_hints(kind)[found.name]
        if isinstance(inner, type) and is_dataclass(inner) and inner is not Limit:
            kind = inner
            continue
        unit = f" [{found.metadata['unit']}]" if found.metadata.get("unit") else ""
        return f"expected{unit}: {found.metadata.get('doc', '')}"
    return "see the configuration reference"


def _unknown_keys(kind: type[Any], table: Mapping[str, Any], prefix: str) -> Iterator[Fault]:
    known = {item.name: item for item in fields(kind)}
    hints = get_type_hints(kind)
    for key, value in table.items():
        if key not in known:
            yield Fault(f"{prefix}{key}", "unknown key", _suggest(key, known))
        elif isinstance(value, dict) and is_dataclass(hints[key]):
            inner = hints[key]
            assert isinstance(inner, type)  # noqa: S101 - is_dataclass said so of a type hint
            yield from _unknown_keys(inner, value, f"{prefix}{key}.")


def _suggest(name: str, known: Mapping[str, Any]) -> str:
    near = get_close_matches(name, list(known), n=1)
    if near:
        return f'did you mean "{near[0]}"?'
    return "remove it; known here: " + ", ".join(known)


def _ranges(settings: Any, prefix: str) -> Iterator[Fault]:  # noqa: ANN401
    for item in fields(settings):
        value = getattr(settings, item.name)
        key = f"{prefix}{item.name}"
        if isinstance(value, Limit):
            yield from _limit(value, key)
        elif is_dataclass(value):
            yield from _ranges(value, f"{key}.")
        else:
            low, high = item.metadata.get("low"), item.metadata.get("high")
            for number in value if isinstance(value, tuple) else (value,):
                yield from _within(number, low, high, key)


def _within(number: Any, low: int | None, high: int | None, key: str) -> Iterator[Fault]:  # noqa: ANN401
    if not isinstance(number, int | float) or isinstance(number, bool):
        return
    # Put so that it holds for what is no number, too: TOML has nan.
    if not ((low is None or number >= low) and (high is None or number <= high)):
        bounds = f"from {low} to {high}" if high is not None else f"of at least {low}"
        yield Fault(key, f"{number} is out of range", f"choose a number {bounds}")


def _limit(limit: Limit, key: str) -> Iterator[Fault]:
    if not 1 <= limit.count < 1 << 31:
        yield Fault(f"{key}.count", f"{limit.count} is out of range", "choose a number from 1 to 2147483647")
    if not 1 <= limit.seconds <= 86400 * 366:
        yield Fault(f"{key}.seconds", f"{limit.seconds} is out of range", "choose a number from 1 to 31622400")


def _networks(settings: Settings) -> Iterator[Fault]:
    lists = {
        "network.protected": settings.network.protected,
        "network.public": settings.network.public,
        "network.proxies": settings.network.proxies,
        "trust.allowlist": settings.trust.allowlist,
    }
    for key, texts in lists.items():
        for text in texts:
            fault = network_fault(text)
            if fault is not None:
                yield Fault(key, *fault)
    for text in settings.trust.trunks:
        fault = trunk_fault(text)
        if fault is not None:
            yield Fault("trust.trunks", *fault)


def _texts(settings: Settings) -> Iterator[Fault]:
    network = settings.network
    if network.placement is Placement.GATEWAY and not (network.protected or network.inside):
        yield Fault(
            "network.protected", "is empty on a gateway", "name the PBX here, or the interfaces to it in network.inside"
        )
    if not network.sip_ports:
        yield Fault("network.sip_ports", "names no port", "name at least one, as in [5060]")
    for number in settings.trust.emergency:
        if not _NUMBER.fullmatch(number):
            yield Fault("trust.emergency", f"{number!r} is no number to call", 'write it as it is dialled, as in "112"')
    listen = settings.metrics.listen
    host, _, port = listen.rpartition(":")
    if listen and (not host or not port.isascii() or not port.isdigit() or not 0 < int(port) <= PORT_MAX):
        yield Fault("metrics.listen", f"{listen!r} is no address and port", 'write "127.0.0.1:9437" or "[::1]:9437"')


def _together(settings: Settings) -> Iterator[Fault]:
    """Values that are good alone and not beside each other."""
    both = sorted(set(settings.network.sip_ports) & set(settings.network.iax2_ports))
    if both:
        yield Fault("network.iax2_ports", f"{both[0]} is a SIP port as well", "name each port in one of the two lists")
    if settings.queue.mark.bit_count() != MARK_BITS:
        yield Fault(
            "queue.mark",
            f"{settings.queue.mark:#x} has not two bits",
            "choose two bits that no rule uses, as 0x30000000",
        )
    bans = settings.bans
    if bans.longest < bans.first:
        yield Fault("bans.longest", "is shorter than bans.first", "choose the same or longer")
    metrics = settings.metrics
    if bool(metrics.certificate) != bool(metrics.key):
        yield Fault("metrics.certificate", "stands without metrics.key, or the other way round", "set both, or none")
    if metrics.client_ca and not metrics.certificate:
        yield Fault("metrics.client_ca", "needs TLS", "set metrics.certificate and metrics.key as well")


def trunk_fault(text: str) -> tuple[str, str] | None:
    """What is wrong with a text that should be an address, a network or a host name (RFC 1123 2.1), and the remedy."""
    labels = text.removesuffix(".").split(".")
    numeric = labels[-1].isdigit() or "/" in text or ":" in text
    if not numeric and len(text) <= _NAME_MAX and all(_LABEL.fullmatch(label) for label in labels):
        return None
    if numeric:
        return network_fault(text)
    return f"{text!r} is no address, network or host name", 'write "192.0.2.10", "192.0.2.0/24" or "sip.example.com"'


def network_fault(text: str) -> tuple[str, str] | None:
    """What is wrong with a text that should be an address or a network, and the remedy; None when nothing is."""
    try:
        ipaddress.ip_network(text)
    except ValueError:
        try:
            meant = ipaddress.ip_network(text, strict=False)
        except ValueError:
            return f"{text!r} is no address or network", 'write "192.0.2.10", "192.0.2.0/24" or "2001:db8::/32"'
        return f"{text!r} has bits set behind its prefix", f'write "{meant}"'
    return None
