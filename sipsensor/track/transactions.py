"""Which datagrams are one transaction, and what became of it (RFC 3261 17.1.3, 17.2.3).

Retransmissions are counted, never judged again; T1 allows 11 in 32 s. The facts of a request are kept until its final response comes out of
the PBX: by then it is known whether its credentials were right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipsensor.fastpath import examine, names, tables
from sipsensor.model import NANOSECONDS, Outcome, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

TRANSACTION_SECONDS = 32
"""64 * T1, RFC 3261 17.1.1.2: the longest that a client retransmits."""
ANSWER_SECONDS = 300
"""How long a final response is waited for: a call may ring for minutes."""

_INVITE, _REGISTER = names.METHODS.index(b"INVITE"), names.METHODS.index(b"REGISTER")
_UNAUTHORIZED, _PROXY_UNAUTHORIZED = 401, 407
_FORBIDDEN, _NOT_FOUND = 403, 404
_TRYING, _PROVISIONAL, _SUCCESS, _OWN_FAULT = 100, 200, 300, 500
"""Below, below, and from which up a status code tells nothing of the sender."""
_PENDING, _ACCEPTED, _REFUSED = int(Outcome.PENDING), int(Outcome.ACCEPTED), int(Outcome.REFUSED)
_ANSWER, _TRANSACTION = ANSWER_SECONDS * NANOSECONDS, TRANSACTION_SECONDS * NANOSECONDS
REQUEST_WIDTH = _WIDTH = 9
"""Numbers that a request takes: its keys, and one for all that is small."""


class Request:
    """What is remembered of a request until it is answered. Keys are keyed hashes; 0 where there is nothing."""

    __slots__ = (
        "account",
        "binds",
        "call",
        "call_known",
        "earned",
        "exchange",
        "known",
        "name",
        "name_known",
        "pair",
        "port",
        "proof",
        "sender",
        "source",
        "taken",
        "what",
    )

    def __init__(self) -> None:
        self.account = 0
        """The name that its credentials are for."""
        self.name = 0
        """The user that it is from: To of a REGISTER, From of all else."""
        self.pair = 0
        """That account as budgets and cuts know it: from that source, or from that very ``address . port`` where it is trusted."""
        self.port = 0
        """The sender's ``address . port``."""
        self.source = 0
        """What counts as one source."""
        self.sender = 0
        """What a stranger's limits count by."""
        self.call = 0
        """Its Call-ID."""
        self.what = 0
        """Its method's number."""
        self.proof = 0
        """A ``challenges.Proof``; its credentials' nonce."""
        self.known = 0
        """1 where that account was accepted from that source before; 2 where it is trusted at this very ``address . port``."""
        self.name_known = 0
        """1 where the PBX had accepted the name before, from anywhere."""
        self.binds = 0
        """1 for a REGISTER that adds a binding: no query, no removal. 1 for an INVITE outside a dialog. 2 for a removal."""
        self.taken = 0
        """1 once the PBX showed that it deals with it: what was charged for it was given back."""
        self.exchange = 0
        """What it asks for: Call-ID, method and Request-URI."""
        self.earned = 0
        """1 where its nonce was sent for this very request: the PBX does look at its credentials, and its answer is about them."""
        self.call_known = 0
        """1 where it goes on with the Call-ID of the registration that made its account known from there."""

    def read(self, table: tables.Records, place: int) -> None:
        """Be what is kept at that place."""
        self.account, self.name = table.number(place, 0), table.number(place, 1)
        self.pair, self.port = table.number(place, 2), table.number(place, 3)
        self.source, self.sender = table.number(place, 4), table.number(place, 5)
        self.call, self.exchange = table.number(place, 6), table.number(place, 7)
        flags = table.number(place, 8)
        self.what, self.proof, self.known = flags & 0xFF, flags >> 8 & 0xF, flags >> 12 & 0xF
        self.name_known, self.binds, self.taken = flags >> 16 & 1, flags >> 20 & 0xF, flags >> 24 & 1
        self.earned, self.call_known = flags >> 25 & 1, flags >> 26 & 1

    def write(self, table: tables.Records, place: int) -> None:
        """Keep it there."""
        flags = self.what | self.proof << 8 | self.known << 12 | self.name_known << 16
        flags |= self.binds << 20 | self.taken << 24 | self.earned << 25 | self.call_known << 26
        table.fill_in(place, 0, self.account)
        table.fill_in(place, 1, self.name)
        table.fill_in(place, 2, self.pair)
        table.fill_in(place, 3, self.port)
        table.fill_in(place, 4, self.source)
        table.fill_in(place, 5, self.sender)
        table.fill_in(place, 6, self.call)
        table.fill_in(place, 7, self.exchange)
        table.fill_in(place, 8, flags)


class Transactions:
    """Counts the datagrams of each transaction and pairs requests with their final responses.

    Bounded; a transaction pushed out counts as new when it comes again, and its answer tells nothing.
    """

    def __init__(self, capacity: int = 65_536) -> None:
        self.seen = tables.SeenTable(capacity, TRANSACTION_SECONDS)
        self.waiting = tables.Records(capacity, _WIDTH)
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
        self.own.put_one(examined.transaction_key, examined.ts, examined.ts + _TRANSACTION, port)

    def was_asked(self, examined: examine.Examined, port: int) -> bool:
        """Whether this response answers such a request, from where it went."""
        return self.own.first(examined.transaction_key, examined.ts, 0) == port

    def went_out(self, examined: examine.Examined) -> None:
        """The PBX asks somebody for anything, of itself or for another."""
        self.passed_on.put_one(examined.transaction_key, examined.ts, examined.ts + _ANSWER, 1)

    def is_answer(self, examined: examine.Examined) -> bool:
        """Whether this response answers such a request, as far as its transaction tells: its branch is hard to guess."""
        return self.passed_on.holds(examined.transaction_key, examined.ts)

    def began(self, examined: examine.Examined, request: Request) -> None:
        """A request of somebody outside: wait for its answer. Where another one waits under the same transaction, nobody knows which of
        the two will be answered: then the answer is good for nobody.
        """
        key, ts = examined.transaction_key, examined.ts
        place = self.waiting.find(key, ts)
        if place >= 0:
            held = Request.__new__(Request)
            held.read(self.waiting, place)
            if not _same(held, request):
                held.proof = held.binds = held.earned = 0
                held.taken = 1
                request = held
        self._wait(key, ts, request)

    def ended(self, examined: examine.Examined) -> tuple[Request, int, bool] | None:
        """The request that a response of the PBX answers, what became of it, and whether the answer says nothing against him (his nonce
        was old, or it is no matter of who he is); None for a request not
        known, and for 100 Trying.

        A call that rings was taken, so it is accepted already; its final response comes with ``taken``. A challenge leaves a
        request pending: the same Call-ID comes back in a transaction of its own, and so does whoever guesses.
        """
        code, key = examined.code, examined.transaction_key
        if code <= _TRYING:
            return None
        place = self.waiting.find(key, examined.ts)
        if place < 0:
            return None
        request = Request.__new__(Request)
        request.read(self.waiting, place)
        if code < _PROVISIONAL:
            if request.taken:
                return None
            request.taken = 1
            self._wait(key, examined.ts, request)
            request.taken = 0  # before this answer
            return request, _ACCEPTED, True
        self.waiting.forget(key)
        stale = bool(request.account) and _is_stale(examined)
        what = outcome(request, code, stale)
        return request, what, stale or (what != _REFUSED and code not in (_UNAUTHORIZED, _PROXY_UNAUTHORIZED))

    def _wait(self, key: int, ts: int, request: Request) -> None:
        place = self.waiting.keep(key, ts, ts + _ANSWER)
        if place >= 0:
            request.write(self.waiting, place)


def _same(before: Request, after: Request) -> bool:
    """For the same account on the same nonce; which of several passwords it is, does not matter: all but one are wrong."""
    return before.account == after.account and before.proof == after.proof and before.earned == after.earned


def outcome(request: Request, code: int, stale: bool = False) -> int:  # noqa: FBT001, FBT002 - typed for C
    """What a final status code says of the request's sender.

    Not a refusal of his: a challenge of one without credentials, or of a nonce that ran out; what a callee or the network did
    (408, 480, 486, 487, 488, 491, 600, 603); the PBX's own faults (threats.md 2.1). A call that is refused for another reason than
    401, 403, 404 or 407 was taken: who made it was let through.
    """
    if code < _SUCCESS:
        return _ACCEPTED
    if code in (_UNAUTHORIZED, _PROXY_UNAUTHORIZED):
        return _REFUSED if request.account and not stale else _PENDING
    if code == _FORBIDDEN and not (request.known > 1 and request.what == _INVITE):  # a number that he may not call
        return _REFUSED
    if code == _NOT_FOUND and not (request.account and request.what != _REGISTER):  # whom he asks for is not here
        return _REFUSED
    if request.what == _INVITE and code < _OWN_FAULT:
        return _ACCEPTED
    return _PENDING


_WWW, _PROXY = names.FIELDS["www-authenticate"], names.FIELDS["proxy-authenticate"]


def _is_stale(examined: examine.Examined) -> bool:
    """A challenge that says the nonce was old and not the password wrong (RFC 2617 3.2.1)."""
    if examined.code not in (_UNAUTHORIZED, _PROXY_UNAUTHORIZED):
        return False
    for text in examined.occurrences(_WWW) + examined.occurrences(_PROXY):
        if b"stale=true" in text.lower().replace(b" ", b"").replace(b'"', b""):
            return True
    return False
