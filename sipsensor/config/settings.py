"""Every key of the configuration file as a typed field, with its default, its unit and what it does.

A section of the file is a dataclass here; the section of a detector is the dataclass beside that detector
(``detect.DETECTORS``). A key stands here from the issue that gives it an effect: a key that does nothing would be a
lie told to the operator.

Defaults are those of DESIGN 8. Nothing here reads a file or checks a value: ``config.load`` does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

from sipsensor.model import Action, Limit, Mode, Verdict


class Placement(StrEnum):
    """``host``: this machine is the PBX. ``gateway``: it forwards to the PBX."""

    HOST = "host"
    GATEWAY = "gateway"


class QueueRules(StrEnum):
    """Who makes the rules that queue packets. ``none``: the operator does."""

    AUTO = "auto"
    NFTABLES = "nftables"
    IPTABLES = "iptables"
    NONE = "none"


class Fallback(StrEnum):
    """What happens to packets that were not judged."""

    ACCEPT = "accept"
    DROP = "drop"

    @property
    def verdict(self) -> Verdict:
        """The same as a verdict of the engine."""
        return Verdict.DROP if self is Fallback.DROP else Verdict.ACCEPT


Pair = tuple[Fallback, Fallback]
"""For strangers, for the trusted."""


def setting(default: Any, doc: str, unit: str = "", *, low: int | None = None, high: int | None = None) -> Any:  # noqa: ANN401
    """A field with its documentation. ``low`` and ``high`` bound a number, or each number of a list."""
    return field(default=default, metadata={"doc": doc, "unit": unit, "low": low, "high": high})


def section(kind: type[Any], doc: str) -> Any:  # noqa: ANN401
    """A field that holds a section with defaults in every key."""
    return field(default_factory=kind, metadata={"doc": doc, "unit": ""})


_DIGITS = 12
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def seconds_of(text: object) -> object:
    """A duration as seconds: "90s", "10m", "12h", "7d", "2w". Anything but text is left as it is. Raises ValueError for other text."""
    if not isinstance(text, str):
        return text
    number, unit = text[:-1], text[-1:]
    if not (number.isascii() and number.isdigit() and len(number) <= _DIGITS) or unit not in _SECONDS:
        raise ValueError('input should be a duration as in "90s", "10m", "12h", "7d", or a number of seconds')
    return int(number) * _SECONDS[unit]


class Spelled:
    """Marks a type whose values are written otherwise in a file: ``read`` makes them of that. What pydantic has for it would bring all of
    pydantic, half of a command's start, to commands that read no file.
    """

    def __init__(self, read: Callable[[Any], Any]) -> None:
        self.read = read

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:  # noqa: ANN401 - pydantic's
        """What pydantic asks of a marker."""
        from pydantic_core import core_schema  # noqa: PLC0415 - whoever asks has it loaded

        return core_schema.no_info_before_validator_function(self.read, handler(source))


Duration = Annotated[int, Spelled(seconds_of)]
"""Seconds; in the file as "10m", or a number of seconds."""
_LONGEST = 366 * 86400


def no_entries() -> Mapping[str, Any]:
    """An empty mapping that nobody can fill."""
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """Where the sensor stands and whom it protects."""

    placement: Placement = setting(
        Placement.HOST, '"host": this machine is the PBX; "gateway": it forwards packets to the PBX'
    )
    protected: tuple[str, ...] = setting(
        (), "PBX addresses or networks; empty on a host means its own addresses", "list of networks"
    )
    inside: tuple[str, ...] = setting(
        (),
        "gateway: interfaces that lead to the protected networks; empty means: found by the routes",
        "list of interfaces",
    )
    proxies: tuple[str, ...] = setting(
        (),
        "SBCs, proxies or balancers in front that carry many clients: the client is the one whom their Via names",
        "list of networks",
    )
    public: tuple[str, ...] = setting((), "our public addresses behind 1:1 NAT; protected as well", "list of networks")
    sip_ports: tuple[int, ...] = setting(
        (5060,), "ports on which every payload is read as SIP and which are queued", "list of ports", low=1, high=65535
    )
    iax2_ports: tuple[int, ...] = setting(
        (4569,),
        "ports on which every datagram is read as a frame of IAX2 and which are queued",
        "list of ports",
        low=1,
        high=65535,
    )


@dataclass(frozen=True, slots=True)
class TrustSettings:
    """Who is believed because the operator says so."""

    allowlist: tuple[str, ...] = setting((), "exempt from everything: never judged, never dropped", "list of networks")
    trunks: tuple[str, ...] = setting(
        (), "providers: no limits and no cuts, but signatures and shapes still hold", "list of networks or names"
    )
    emergency: tuple[str, ...] = setting(
        ("112", "911"), "called numbers that are never dropped for limits, cuts or overload", "list of numbers"
    )


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """The kernel queues that the live sensor reads, and what is admitted to them."""

    first: int = setting(
        5060, "number of the queue of strangers; the next number is the trusted queue", low=0, high=65534
    )
    length: int = setting(8192, "how many packets the kernel holds for strangers", "packets", low=1, high=1048576)
    trusted_length: int = setting(
        512,
        "how many packets the kernel holds for the trusted; short, because it opens when full",
        "packets",
        low=1,
        high=1048576,
    )
    stranger_rate: int = setting(
        50000,
        "packets of strangers that are admitted to their queue; what comes faster is treated as on_full says",
        "packets/s",
        low=1,
        high=10000000,
    )
    source_rate: int = setting(
        500,
        "packets of one stranger (IPv4 address, IPv6 /64) that are admitted to that queue, twice as many at once; "
        "what comes faster is dropped, or only counted where on_full accepts. Not for network.proxies. 0: no limit",
        "packets/s",
        low=0,
        high=10000000,
    )
    trusted_rate: int = setting(
        30,
        "packets of one registered phone (address and port) that take the trusted queue, a third of it at once; "
        "what comes faster takes the queue of strangers, and is judged there as a registered phone's. 0: no limit",
        "packets/s",
        low=0,
        high=10000000,
    )
    trunk_rate: int = setting(
        1000,
        "the same for each address (IPv6 /64) of trust.allowlist and trust.trunks, 250 at once. 0: no limit",
        "packets/s",
        low=0,
        high=10000000,
    )
    mark: int = setting(
        0x30000000,
        "two bits of the packet mark that the rules may use, and that no rule of yours does",
        "bit mask",
        low=3,
        high=0xFFFFFFFF,
    )
    rules: QueueRules = setting(
        QueueRules.AUTO,
        'who makes the rules: "auto" tries nftables for the queueing ones, then iptables; "none": you do',
    )
    governor: float = setting(
        0.6,
        "how much of a processor core strangers may cost; above it their loudest sources, then all of them, are shed unjudged, "
        "as on_full says; 0: no limit",
        "share of a core",
        low=0,
        high=1,
    )


@dataclass(frozen=True, slots=True)
class FailureSettings:
    """What happens to packets that were not judged: first for strangers, second for the trusted."""

    on_error: Pair = setting((Fallback.DROP, Fallback.ACCEPT), "the engine failed on a packet")
    on_full: Pair = setting(
        (Fallback.DROP, Fallback.ACCEPT),
        "the queue is full, the governor sheds the packet, or the kernel shows a part of it (observe: accept)",
    )
    on_death: Pair = setting((Fallback.ACCEPT, Fallback.ACCEPT), "the sensor is not running")


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """Caps of what grows with the traffic."""

    events: Limit = setting(
        Limit(10, 60), "live: events written for one source and rule; what is left out is counted (replay writes all)"
    )
    quarantine_packets: int = setting(
        100, "packets kept in the quarantine capture, because the engine failed on them", "packets", low=0, high=100000
    )
    quarantine_bytes: int = setting(1048576, "size of the quarantine capture", "bytes", low=0, high=1073741824)
    evidence_sources: int = setting(
        4096, 'sources of which "sipsensor why" remembers what was said', "sources", low=2, high=1048576
    )
    evidence_packets: int = setting(20, "last packets kept of each, in memory", "packets", low=0, high=1000)
    evidence_bytes: int = setting(16777216, "memory for these packets", "bytes", low=0, high=1073741824)
    evidence_age: Duration = setting(86400, "for which they are kept at most", "duration", low=1, high=_LONGEST)


class Enforcer(StrEnum):
    """Who makes cuts real in the kernel. ``dry-run``: nobody; what would be done is only told."""

    NFTABLES = "nftables"
    DRY_RUN = "dry-run"


@dataclass(frozen=True, slots=True)
class BanSettings:
    """How long cuts last, and who makes them real in the kernel."""

    enforcer: Enforcer = setting(
        Enforcer.NFTABLES, '"nftables": cuts of sources go into a kernel set; "dry-run": the sensor alone drops'
    )
    first: Duration = setting(600, "the first cut", "duration", low=1, high=_LONGEST)
    factor: int = setting(4, "each next cut is so many times longer", "factor", low=1, high=1000)
    longest: Duration = setting(7 * 86400, "no cut is longer", "duration", low=1, high=_LONGEST)
    memory: Duration = setting(
        30 * 86400, "for which an offence is remembered after its cut", "duration", low=1, high=_LONGEST
    )
    probe: Duration = setting(
        30,
        "a cut account that was accepted from there before may try once in this time",
        "duration",
        low=1,
        high=_LONGEST,
    )
    network: int = setting(
        8,
        "sources of one network (IPv4 /24, IPv6 /48) that are cut in an hour before the network is",
        low=2,
        high=1 << 20,
    )
    grace: Duration = setting(3600, "for which whom you unban is not cut again", "duration", low=0, high=_LONGEST)
    entries: int = setting(65536, "cuts and offences remembered", "entries", low=8, high=1 << 24)


@dataclass(frozen=True, slots=True)
class SafetySettings:
    """When the sensor falls back to observe by itself, because phones vanish after a cut."""

    share: int = setting(
        30, "of the registered phones that must be missing; 0 switches the net off", "percent", low=0, high=100
    )
    phones: int = setting(5, "so many at least", "phones", low=1, high=1 << 20)
    window: Duration = setting(900, "for which a cut is held to be the cause", "duration", low=1, high=_LONGEST)


@dataclass(frozen=True, slots=True)
class StateSettings:
    """What outlives a restart: cuts, offences, who is trusted and known."""

    database: str = setting("/var/lib/sipsensor/state.db", "SQLite file, mode 0600; empty keeps nothing", "path")
    history: Duration = setting(28 * 86400, "for which cuts that are over stay in it", "duration", low=1, high=_LONGEST)


@dataclass(frozen=True, slots=True)
class RuleSettings:
    """What is done with one rule."""

    action: Action = setting(Action.ALERT, '"off", "alert" or "drop"')


@dataclass(frozen=True, slots=True)
class SignatureSettings:
    """Where signatures come from."""

    directories: tuple[Path, ...] = setting(
        (), "read besides the shipped signatures: may add and disable rules, never edit them", "list of directories"
    )


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    """The Prometheus endpoint."""

    listen: str = setting("127.0.0.1:9437", "address and port; empty switches the endpoint off", "address:port")
    certificate: str = setting("", "certificate chain (PEM) to serve TLS with; empty serves plain HTTP", "path")
    key: str = setting("", "its private key (PEM)", "path")
    client_ca: str = setting("", "authorities (PEM); a client needs a certificate of one of them", "path")


@dataclass(frozen=True, slots=True)
class ControlSettings:
    """The control socket."""

    socket: str = setting(
        "/run/sipsensor/control.sock", 'Unix socket that "sipsensor status" asks, mode 0660; empty opens none', "path"
    )


@dataclass(frozen=True, slots=True)
class EventSettings:
    """The event log."""

    file: str = setting("/var/log/sipsensor/events.jsonl", '"-" is standard output; empty writes none', "path")


@dataclass(frozen=True, slots=True)
class QuarantineSettings:
    """Packets on which the engine failed, kept for a bug report. Their caps stand under ``limits``."""

    file: str = setting("/var/lib/sipsensor/quarantine.pcap", "capture file, mode 0600; empty keeps none", "path")


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole configuration file."""

    mode: Mode = setting(Mode.OBSERVE, '"observe" judges and reports but accepts everything; "enforce" acts')
    network: NetworkSettings = section(NetworkSettings, "where the sensor stands and whom it protects")
    trust: TrustSettings = section(TrustSettings, "who is believed because you say so")
    queue: QueueSettings = section(QueueSettings, "the kernel queues that the live sensor reads")
    failure: FailureSettings = section(
        FailureSettings, "what happens to packets that were not judged: [for strangers, for the trusted]"
    )
    limits: LimitSettings = section(LimitSettings, "caps of what grows with the traffic")
    bans: BanSettings = section(BanSettings, "how long cuts last, and who makes them real")
    safety: SafetySettings = section(SafetySettings, "when the sensor falls back to observe by itself")
    state: StateSettings = section(StateSettings, "what outlives a restart")
    detectors: Mapping[str, Any] = field(
        default_factory=no_entries, metadata={"doc": "a section for each detector", "unit": ""}
    )
    rules: Mapping[str, RuleSettings] = field(
        default_factory=no_entries,
        metadata={"doc": "a section for each rule whose action you change, by its slug", "unit": ""},
    )
    signatures: SignatureSettings = section(SignatureSettings, "where signatures come from")
    metrics: MetricsSettings = section(MetricsSettings, "the Prometheus endpoint")
    events: EventSettings = section(EventSettings, "the event log")
    control: ControlSettings = section(ControlSettings, "the control socket")
    quarantine: QuarantineSettings = section(QuarantineSettings, "packets on which the engine failed")
