"""Which datagrams are one transaction, and what became of it (RFC 3261 17.1.3, 17.2.3).

Retransmissions are counted, never judged again; T1 allows 11 in 32 s. The facts of a request are kept until its final response comes out of
the PBX: by then it is known whether its credentials were right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sipsensor.fastpath import examine, names, tables
from sipsensor.model import NANOSECONDS, Outcome, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

TRANSACTION_SECONDS = 32
"""64 * T1, RFC 3261 17.1.1.2: the longest that a client retransmits."""
ANSWER_SECONDS = 300
"""How long a final response is waited for: a call may ring for minutes."""

_INVITE, _REGISTER = names.METHODS.index(b"INVITE"), names.METHODS.index(b"REGISTER")
_CHALLENGES = frozenset((401, 407))
_FORBIDDEN, _NOT_FOUND = 403, 404
_PROVISIONAL, _SUCCESS, _OWN_FAULT = 200, 300, 500
"""Below, below, and from which up a status code tells nothing of the sender."""


class Request(NamedTuple):
    """What is remembered of a request until it is answered. Keys are keyed hashes; 0 where there is nothing."""

    ts: int
    account: int
    """The name that its credentials are for."""
    port: int
    """The sender's ``address . port``."""
    network: int
    """What counts as one source."""
    what: int
    """Its method's number."""
    proof: int
    """A ``challenges.Proof``; its credentials' nonce."""
    known: int
    """1 where that account was accepted from that source before."""
    name_known: int
    """1 where the PBX had accepted the account name before."""
    binds: int
    """1 for a REGISTER that adds a binding: no query, no removal. 1 for an INVITE outside a dialog."""


class Transactions:
    """Counts the datagrams of each transaction and pairs requests with their final responses.

    Bounded; a transaction pushed out counts as new when it comes again, and its answer tells nothing.
    """

    def __init__(self, capacity: int = 65_536) -> None:
        self.seen = tables.SeenTable(capacity, TRANSACTION_SECONDS)
        self.waiting = tables.Records(capacity, len(Request._fields))

    def repeats(self, key: int, now: int) -> int:
        """How many datagrams with this key came before this one. 0 for a message that names no transaction (key 0)."""
        return self.seen.touch(key, now)

    def forget(self, examined: examine.Examined) -> None:
        """A request that the PBX never sees."""
        self.waiting.forget(examined.transaction_key)

    def tables(self) -> Sequence[Table]:
        """Transactions seen, and those that wait for an answer."""
        return [
            Table("transactions", self.seen.fill, self.seen.capacity, self.seen.evictions),
            Table("requests", self.waiting.fill, self.waiting.capacity, self.waiting.evictions),
        ]

    def began(self, examined: examine.Examined, request: Request) -> None:
        """A request of somebody outside: wait for its answer."""
        until = request.ts + ANSWER_SECONDS * NANOSECONDS
        self.waiting.put(examined.transaction_key, request.ts, until, request)

    def ended(self, examined: examine.Examined) -> tuple[Request, Outcome] | None:
        """The request that a response of the PBX answers, and what became of it; None for a provisional one, or a request not known.

        A challenge leaves it pending: the same Call-ID comes back in a transaction of its own, and so does whoever guesses.
        """
        if examined.code < _PROVISIONAL:
            return None
        held = self.waiting.get(examined.transaction_key, examined.ts)
        if held is None:
            return None
        self.waiting.forget(examined.transaction_key)
        request = Request(*held)
        return request, outcome(request, examined.code, stale=_is_stale(examined))


def outcome(request: Request, code: int, *, stale: bool = False) -> Outcome:
    """What a final status code says of the request's sender.

    Not a refusal of his: a challenge of one without credentials, or of a nonce that ran out; what a callee or the network did (408, 480, 486,
    487, 488, 491, 600, 603); the PBX's own faults (threats.md 2.1). With credentials, a call that is refused for another reason than 401, 403
    or 407 has passed the check of its password.
    """
    if code < _SUCCESS:
        return Outcome.ACCEPTED
    if code in _CHALLENGES:
        return Outcome.REFUSED if request.account and not stale else Outcome.PENDING
    if code == _FORBIDDEN or (code == _NOT_FOUND and request.what == _REGISTER):
        return Outcome.REFUSED
    if request.account and request.what == _INVITE and code < _OWN_FAULT:
        return Outcome.ACCEPTED
    return Outcome.PENDING


_WWW, _PROXY = names.FIELDS["www-authenticate"], names.FIELDS["proxy-authenticate"]


def _is_stale(examined: examine.Examined) -> bool:
    """A challenge that says the nonce was old and not the password wrong (RFC 2617 3.2.1)."""
    if examined.code not in _CHALLENGES:
        return False
    texts = examined.occurrences(_WWW) + examined.occurrences(_PROXY)
    return any(b"stale=true" in text.lower().replace(b" ", b"").replace(b'"', b"") for text in texts)
