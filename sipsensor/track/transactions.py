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
_TRYING, _PROVISIONAL, _SUCCESS, _OWN_FAULT = 100, 200, 300, 500
"""Below, below, and from which up a status code tells nothing of the sender."""


class Request(NamedTuple):
    """What is remembered of a request until it is answered. Keys are keyed hashes; 0 where there is nothing."""

    account: int
    """The name that its credentials are for."""
    name: int
    """The user that it is from: To of a REGISTER, From of all else."""
    pair: int
    """That account as budgets and cuts know it: from that source, or from that very ``address . port`` where it is trusted."""
    port: int
    """The sender's ``address . port``."""
    source: int
    """What counts as one source."""
    sender: int
    """What a stranger's limits count by."""
    call: int
    """Its Call-ID."""
    what: int
    """Its method's number."""
    proof: int
    """A ``challenges.Proof``; its credentials' nonce."""
    known: int
    """1 where that account was accepted from that source before; 2 where it is trusted at this very ``address . port``."""
    name_known: int
    """1 where the PBX had accepted the name before, from anywhere."""
    binds: int
    """1 for a REGISTER that adds a binding: no query, no removal. 1 for an INVITE outside a dialog. 2 for a removal."""
    taken: int
    """1 once the PBX showed that it deals with it: what was charged for it was given back."""
    exchange: int = 0
    """What it asks for: Call-ID, method and Request-URI."""
    earned: int = 0
    """1 where its nonce was sent for this very request: the PBX does look at its credentials, and its answer is about them."""
    call_known: int = 0
    """1 where it goes on with the Call-ID of the registration that made its account known from there."""


class Transactions:
    """Counts the datagrams of each transaction and pairs requests with their final responses.

    Bounded; a transaction pushed out counts as new when it comes again, and its answer tells nothing.
    """

    def __init__(self, capacity: int = 65_536) -> None:
        self.seen = tables.SeenTable(capacity, TRANSACTION_SECONDS)
        self.waiting = tables.Records(capacity, len(Request._fields))
        self.own = tables.Records(1024, 1)
        self.passed_on = tables.Records(max(8, capacity // 8), 1)

    def repeats(self, key: int, now: int) -> int:
        """How many datagrams with this key came before this one. 0 for a message that names no transaction (key 0)."""
        return self.seen.touch(key, now)

    def forget(self, examined: examine.Examined, once: int) -> None:
        """A request that the PBX never sees: when it comes again, it is no repetition of anything. ``once`` is what it was counted by."""
        self.seen.forget(once)
        self.waiting.forget(examined.transaction_key)

    def tables(self) -> Sequence[Table]:
        """Transactions seen, and those that wait for an answer."""
        return [
            Table.of("transactions", self.seen),
            Table.of("requests", self.waiting),
            Table.of("own_registrations", self.own),
            Table.of("own_requests", self.passed_on),
        ]

    def asked(self, examined: examine.Examined, port: int) -> None:
        """The PBX registers itself at that ``address . port``."""
        self.own.put(examined.transaction_key, examined.ts, examined.ts + TRANSACTION_SECONDS * NANOSECONDS, (port,))

    def was_asked(self, examined: examine.Examined, port: int) -> bool:
        """Whether this response answers such a request, from where it went."""
        return self.own.get(examined.transaction_key, examined.ts) == (port,)

    def went_out(self, examined: examine.Examined) -> None:
        """The PBX asks somebody for anything, of itself or for another."""
        self.passed_on.put(examined.transaction_key, examined.ts, examined.ts + ANSWER_SECONDS * NANOSECONDS, (1,))

    def is_answer(self, examined: examine.Examined) -> bool:
        """Whether this response answers such a request, as far as its transaction tells: its branch is hard to guess."""
        return self.passed_on.get(examined.transaction_key, examined.ts) is not None

    def began(self, examined: examine.Examined, request: Request) -> None:
        """A request of somebody outside: wait for its answer. Where another one waits under the same transaction, nobody knows which of
        the two will be answered: then the answer is good for nobody.
        """
        key, ts = examined.transaction_key, examined.ts
        held = self.waiting.get(key, ts)
        if held is not None and not _same(Request(*held), request):
            request = Request(*held)._replace(proof=0, binds=0, taken=1, earned=0)
        self.waiting.put(key, ts, ts + ANSWER_SECONDS * NANOSECONDS, request)

    def ended(self, examined: examine.Examined) -> tuple[Request, Outcome, bool] | None:
        """The request that a response of the PBX answers, what became of it, and whether the answer says nothing against him (his nonce
        was old, or it is no matter of who he is); None for a request not
        known, and for 100 Trying.

        A call that rings was taken, so it is accepted already; its final response comes with ``taken``. A challenge leaves a
        request pending: the same Call-ID comes back in a transaction of its own, and so does whoever guesses.
        """
        code, key = examined.code, examined.transaction_key
        if code <= _TRYING:
            return None
        held = self.waiting.get(key, examined.ts)
        if held is None:
            return None
        request = Request(*held)
        if code < _PROVISIONAL:
            if request.taken:
                return None
            until = examined.ts + ANSWER_SECONDS * NANOSECONDS
            self.waiting.put(key, examined.ts, until, request._replace(taken=1))
            return request, Outcome.ACCEPTED, True
        self.waiting.forget(key)
        stale = bool(request.account) and _is_stale(examined)
        what = outcome(request, code, stale=stale)
        return request, what, stale or (what != Outcome.REFUSED and code not in _CHALLENGES)


def _same(before: Request, after: Request) -> bool:
    """For the same account on the same nonce; which of several passwords it is, does not matter: all but one are wrong."""
    return (before.account, before.proof, before.earned) == (after.account, after.proof, after.earned)


def outcome(request: Request, code: int, *, stale: bool = False) -> Outcome:
    """What a final status code says of the request's sender.

    Not a refusal of his: a challenge of one without credentials, or of a nonce that ran out; what a callee or the network did
    (408, 480, 486, 487, 488, 491, 600, 603); the PBX's own faults (threats.md 2.1). A call that is refused for another reason than
    401, 403, 404 or 407 was taken: who made it was let through.
    """
    if code < _SUCCESS:
        return Outcome.ACCEPTED
    if code in _CHALLENGES:
        return Outcome.REFUSED if request.account and not stale else Outcome.PENDING
    if code == _FORBIDDEN and not (request.known > 1 and request.what == _INVITE):  # a number that he may not call
        return Outcome.REFUSED
    if code == _NOT_FOUND and not (request.account and request.what != _REGISTER):  # whom he asks for is not here
        return Outcome.REFUSED
    if request.what == _INVITE and code < _OWN_FAULT:
        return Outcome.ACCEPTED
    return Outcome.PENDING


_WWW, _PROXY = names.FIELDS["www-authenticate"], names.FIELDS["proxy-authenticate"]


def _is_stale(examined: examine.Examined) -> bool:
    """A challenge that says the nonce was old and not the password wrong (RFC 2617 3.2.1)."""
    if examined.code not in _CHALLENGES:
        return False
    texts = examined.occurrences(_WWW) + examined.occurrences(_PROXY)
    return any(b"stale=true" in text.lower().replace(b" ", b"").replace(b'"', b"") for text in texts)
