"""The words of sipsensor as types: what a packet is, what was seen of it, and what was decided. Read this first.

Imports nothing of sipsensor; every other room imports this one. The classes are plain slotted ones, because one of each is made per
packet and a frozen dataclass costs five times as much to build.

Times (``ts``, ``first``, ``until``) are integer counts of nanoseconds since the epoch, and they always come with a packet: nothing below
``engine`` knows a clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

NANOSECONDS = 1_000_000_000


class Verdict(IntEnum):
    """What becomes of one packet."""

    ACCEPT = 0
    DROP = 1


class Reason(StrEnum):
    """Why a packet got its verdict. Closed: metrics, events and schemas list exactly these."""

    NONE = ""
    ALLOWLISTED = "ALLOWLISTED"
    INCOMPLETE = "INCOMPLETE"
    NOT_OURS = "NOT_OURS"
    SIGNATURE = "SIGNATURE"
    MALFORMED = "MALFORMED"
    SPOOFED = "SPOOFED"
    LIMIT = "LIMIT"
    ACCOUNT = "ACCOUNT"
    SHIELD = "SHIELD"
    BANNED = "BANNED"
    FLOW = "FLOW"
    OVERLOAD = "OVERLOAD"
    UNINSPECTED = "UNINSPECTED"
    ERROR = "ERROR"


DROP_REASONS = tuple(Reason)[4:]
"""The reasons that may stand beside a drop."""


class Mode(StrEnum):
    """``observe`` judges and reports but accepts everything; ``enforce`` acts."""

    OBSERVE = "observe"
    ENFORCE = "enforce"


class Arrival(IntEnum):
    """How a packet reached us, as far as its source knows. Live sources know it by hook and interface, capture files do not."""

    UNKNOWN = 0
    INBOUND = 1
    OUTBOUND = 2
    FORGED = 3
    """A protected source address that entered where no protected host is."""


class Direction(IntEnum):
    """Towards the protected hosts, or from them. It decides who is believed."""

    INBOUND = 0
    OUTBOUND = 1


class AppProtocol(IntEnum):
    """The application protocols with a room under ``protocols``."""

    SIP = 0
    IAX2 = 1


class Standing(IntEnum):
    """How far an ``address . port`` is believed. DESIGN 6 defines how each is won."""

    STRANGER = 0
    PROVEN = 1
    TRUSTED = 2


class Outcome(IntEnum):
    """What became of a transaction. A challenge alone is none of the refusals."""

    PENDING = 0
    ACCEPTED = 1
    REFUSED = 2
    CHALLENGED_ANSWERED = 3
    CHALLENGED_ABANDONED = 4
    UNANSWERED = 5
    CUT = 6
    """Dropped by us: never evidence of anything."""


class Scope(StrEnum):
    """What a cut covers, the smallest first."""

    FLOW = "flow"
    ACCOUNT = "account"
    SOURCE = "source"
    NETWORK = "network"


class Confidence(StrEnum):
    """``high``: one packet is enough to drop that packet. ``medium`` adds to a score. ``low`` is context."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Action(StrEnum):
    """What the policy does with a rule that fired."""

    OFF = "off"
    ALERT = "alert"
    DROP = "drop"


class Family(StrEnum):
    """The first word of a rule's slug."""

    SCANNER = "scanner"
    FRAUD = "fraud"
    MALFORMED = "malformed"
    FLOOD = "flood"
    SWEEP = "sweep"
    ENUMERATION = "enumeration"
    GUESSING = "guessing"
    HIJACK = "hijack"
    REFLECTION = "reflection"
    PROBE = "probe"
    EVASION = "evasion"
    IAX2 = "iax2"


class Packet:
    """One captured packet, from its link layer (``link`` is libpcap's DLT number) up.

    ``wire_length`` is how long it was on the wire; less of it in ``data`` means that the capture cut it.
    """

    __slots__ = ("arrival", "data", "link", "number", "ts", "wire_length")

    def __init__(
        self,
        ts: int,
        data: bytes,
        link: int,
        number: int = 0,
        wire_length: int | None = None,
        arrival: Arrival = Arrival.UNKNOWN,
    ) -> None:
        self.ts = ts
        self.data = data
        self.link = link
        self.number = number
        self.wire_length = len(data) if wire_length is None else wire_length
        self.arrival = arrival


class Observation:
    """One message or frame with what tracking knows of it: what detectors judge.

    ``message`` is the protocol's own view. Everything else is protocol-neutral, so that a detector need not know whose it is.
    Keys are 64-bit keyed hashes made by the fast path (``source_key`` counts IPv6 per /64).
    """

    __slots__ = (
        "account_key",
        "accounts_at",
        "also",
        "blind",
        "call_key",
        "call_known",
        "connected",
        "direction",
        "end",
        "examined",
        "excused",
        "grant",
        "harmless",
        "has_credentials",
        "in_call",
        "kind",
        "known",
        "message",
        "name_key",
        "name_known",
        "nonce_key",
        "offender",
        "once_key",
        "outcome",
        "pair_key",
        "port_key",
        "proof",
        "protocol",
        "relieved",
        "repeats",
        "request",
        "sender_key",
        "source_key",
        "spared",
        "stalled",
        "standing",
        "transaction",
        "trusted_here",
        "ts",
        "what",
    )

    def __init__(
        self,
        message: Any,  # noqa: ANN401
        examined: Any,  # noqa: ANN401
        protocol: int,
        direction: int,
        kind: int,
        standing: int,
    ) -> None:
        self.begin(message, examined, examined.ts, examined.transaction_key, protocol, direction, kind, standing)

    def begin(  # noqa: PLR0913, PLR0915, PLR0917 - all that is known, by name
        self,
        message: Any,  # noqa: ANN401
        examined: Any,  # noqa: ANN401
        ts: int,
        transaction: int,
        protocol: int,
        direction: int,
        kind: int,
        standing: int,
    ) -> None:
        """Know this much, and nothing else yet."""
        self.message = message
        self.examined = examined
        self.protocol = protocol
        self.direction = direction
        self.kind = kind
        self.standing = standing
        self.what = kind % _WHATS
        """The third part of its kind: a method's number, ``WHAT_STATUS`` + a status class, or ``WHAT_MALFORMED``."""
        self.ts = ts
        self.transaction = transaction
        self.source_key = 0
        """What counts as one source: the remote IPv4 address, the /64 of a remote IPv6 one."""
        self.port_key = 0
        """The remote ``address . port``."""
        self.sender_key = 0
        """What the limits of strangers count by: ``address . port``, IPv6 per /64."""
        self.end: Any = None
        """The remote end, where these keys come from."""
        self.repeats = 0
        """Datagrams with the same transaction and credentials before this one."""
        self.once_key = 0
        """What repetitions are counted by: the transaction, and what it is about."""
        self.outcome: int = 0
        self.has_credentials = False
        self.account_key = 0
        """The name that the credentials are for; in an answer, those of its request."""
        self.also: tuple[tuple[int, bool], ...] = ()
        """Other names that credentials of the same request are for, and whether the PBX accepted each before, from anywhere."""
        self.pair_key = 0
        """The account as budgets and cuts know it: from this source, or from this very ``address . port`` where it is trusted."""
        self.name_key = 0
        """The user that the request is from."""
        self.proof = 0
        """What the credentials' nonce says of the sender: a ``track.challenges.Proof``."""
        self.known = False
        """The PBX accepted this account from this source before."""
        self.call_known = False
        """… and it goes on with the Call-ID of that registration, which only those who saw it know."""
        self.name_known = False
        """The PBX accepted this account before, from anywhere."""
        self.relieved = False
        """Limits of strangers are not for him: the account is known from here, or trusted at this very ``address . port``."""
        self.accounts_at = 0
        """How many accounts the PBX accepted from this source: an office has many. In a request, and in the answer to credentials for an
        account that is not known from there.
        """
        self.call_key = 0
        """The Call-ID. Where there are credentials."""
        self.nonce_key = 0
        """The one nonce of its credentials; 0 where there may be several."""
        self.offender = False
        """Its source was cut before."""
        self.harmless = False
        """In an answer: it says nothing against him. His nonce was merely old, or it is no matter of who he is."""
        self.trusted_here = False
        """… trusted at this very ``address . port``, for this account. Where there are credentials."""
        self.stalled = False
        """The PBX answers nobody at the moment."""
        self.blind = False
        """The PBX's answers do not come by here."""
        self.excused = False
        """The ledger lets this one try: no budget is charged."""
        self.spared = False
        """Limits and cuts are not for it, because the operator says so."""
        self.in_call = False
        """A frame of IAX2: it is of a call that is known, all of it."""
        self.connected = False
        """He receives where he says he is: it came on a TCP connection whose handshake was finished, or with a call token that went to
        him.
        """
        self.request: Any = None
        """In an answer of the PBX: the request that it answers, as it was remembered."""
        self.grant: Grant | None = None
        """In an answer of the PBX: whom it makes trusted."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Anything with an id that can fire: a signature, or one behaviour of a detector."""

    id: int
    slug: str
    name: str
    family: Family
    severity: int
    """1 (worst) to 5."""
    confidence: Confidence
    action: Action
    reason: Reason
    """The reason of the drop, where this rule drops."""
    rev: int = 1
    detector: str = ""
    spoofable: bool = True
    """Could a third party have sent the evidence in the sender's name? Then it kills its own packet and nothing else."""


class Alert:
    """A rule fired on an observation. ``evidence`` is small, printable and free of secrets."""

    __slots__ = ("evidence", "observation", "rule", "scope", "score")

    def __init__(
        self,
        rule: Rule,
        observation: Observation,
        evidence: dict[str, str | int] | None = None,
        score: int = 0,
        scope: Scope | None = None,
    ) -> None:
        self.rule = rule
        self.observation = observation
        self.evidence: dict[str, str | int] = {} if evidence is None else evidence
        self.score = score
        self.scope = scope
        """What is cut, where the rule drops: None for this packet alone."""


@dataclass(slots=True)
class Cut:
    """A drop that lasts: what it covers, why, and until when."""

    scope: Scope
    address: bytes
    rule: Rule
    since: int
    until: int
    account: bytes | None = None
    times: int = 1
    """How often it was cut, this time among them."""


class Grant(NamedTuple):
    """Somebody became trusted: his address (16 bytes) and port, and until when."""

    standing: Standing
    address: bytes
    port: int
    until: int


class Decision:
    """What the policy says of one packet. ``verdict`` holds whatever the mode; what is done with the packet is ``effect``."""

    __slots__ = ("alerts", "cuts", "effect", "grants", "observation", "reason", "rule", "uncuts", "verdict")

    def __init__(  # noqa: PLR0913  (the parts of a decision, by name)
        self,
        verdict: Verdict,
        reason: Reason,
        *,
        rule: Rule | None = None,
        alerts: tuple[Alert, ...] = (),
        cuts: tuple[Cut, ...] = (),
        observation: Observation | None = None,
        effect: Verdict | None = None,
    ) -> None:
        self.begin(verdict, reason, observation)
        self.rule: Rule | None = rule
        self.alerts: tuple[Alert, ...] = alerts
        self.cuts: tuple[Cut, ...] = cuts
        if effect is not None:
            self.effect = effect

    def begin(self, verdict: Verdict, reason: Reason, observation: Observation | None) -> None:
        """That verdict, for that reason, and nothing else yet."""
        self.verdict = self.effect = verdict
        self.reason = reason
        self.observation = observation
        self.rule = None
        self.alerts = self.cuts = ()
        self.grants: tuple[Grant, ...] = ()
        self.uncuts: tuple[Cut, ...] = ()
        """Cuts that ended with this packet, because the PBX accepted whom they were for; ``until`` is now."""


# --- kinds -------------------------------------------------------------------------------------------------------------------------

KIND_WHATS = _WHATS = 64
"""How many values the third part of a kind may take: a method, a status class, or ``MALFORMED``."""

WHAT_MALFORMED = 63
WHAT_STATUS = 32
"""Status class n of a response is the what ``WHAT_STATUS + n``; everything below is a method's number."""

KINDS = len(AppProtocol) * len(Direction) * len(Standing) * KIND_WHATS


def kind_of(protocol: int, direction: int, standing: int, what: int) -> int:
    """The number of a kind: (protocol, direction, standing, method or status class) as one small integer."""
    return ((protocol * 2 + direction) * 3 + standing) * _WHATS + what


class When(StrEnum):
    """``judge``: I must see it before the verdict. ``learn``: I may see it after."""

    JUDGE = "judge"
    LEARN = "learn"


class Interest(NamedTuple):
    """The kinds somebody cares about. ``None`` in a part means all of that part."""

    when: When
    protocol: AppProtocol
    direction: Direction | None = None
    whats: Iterable[int] | None = None
    standings: Iterable[Standing] | None = None


@dataclass(frozen=True, slots=True)
class Limit:
    """``count`` events in ``seconds``, as a leaky bucket: it holds ``count`` and leaks ``count / seconds`` a second."""

    count: int
    seconds: int


class Bounded(Protocol):
    """What every bounded table tells of itself."""

    @property
    def fill(self) -> int:
        """Entries held."""

    @property
    def capacity(self) -> int:
        """Entries that it can hold."""

    @property
    def evictions(self) -> int:
        """Entries that had to make room for others since the start."""


class Table(NamedTuple):
    """How full a bounded table is. Whoever has one names it; metrics and ``status`` show all of them."""

    name: str
    entries: int
    capacity: int
    evictions: int
    """Entries that had to make room for others since the start."""

    @classmethod
    def of(cls, name: str, table: Bounded) -> Table:
        """As full as it is now."""
        return cls(name, table.fill, table.capacity, table.evictions)


class Message(Protocol):
    """What every protocol's view of a message offers to the tracker."""

    protocol: AppProtocol
    what: int
    """The third part of its kind."""
    is_request: bool
    has_credentials: bool
    account: bytes | None
    """The name that its credentials are for, else the user that it registers."""
    called: bytes | None
    """The number or name that is called."""
