"""Message in, observation out: direction, remote end, kind, standing, transaction, account, proof, outcome."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sipsensor.fastpath import examine, names, tables
from sipsensor.model import (
    NANOSECONDS,
    WHAT_MALFORMED,
    WHAT_STATUS,
    Direction,
    Grant,
    Observation,
    Outcome,
    Standing,
    kind_of,
)
from sipsensor.track import credentials
from sipsensor.track.challenges import Challenges, Proof
from sipsensor.track.connections import Connections
from sipsensor.track.dialogs import Dialogs
from sipsensor.track.ends import End, Ends
from sipsensor.track.replies import Replies
from sipsensor.track.standing import TRUSTED_SECONDS_MOST, Held, Standings, pair_key
from sipsensor.track.transactions import Request, Transactions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sipsensor.model import Table
    from sipsensor.protocols.base import Malformed
    from sipsensor.protocols.sip import SipMessage
    from sipsensor.track.direction import Directions

_OUTBOUND = Direction.OUTBOUND
_RESPONSE_CONTENT = examine.CONTENT_RESPONSE
_TO_USER, _FROM_USER, _URI_USER = (names.FIELDS[name] for name in ("to.user", "from.user", "uri.user"))
_URI = names.FIELDS["uri"]
_CALL_ID, _CONTACT, _EXPIRES, _TO_TAG = (names.FIELDS[name] for name in ("call-id", "contact", "expires", "to.tag"))
_REGISTER, _INVITE, _OPTIONS, _ACK, _BYE, _CANCEL = (
    names.METHODS.index(method) for method in (b"REGISTER", b"INVITE", b"OPTIONS", b"ACK", b"BYE", b"CANCEL")
)
_NEVER_ASKED = frozenset((_ACK, _CANCEL))
_NAMED_BY_TO = frozenset((_REGISTER, _OPTIONS))
_SUCCESS_CLASS = WHAT_STATUS + 2
_CHALLENGES = frozenset((401, 407))
_EXPIRES_DEFAULT = 3600
"""Seconds, where a registrar names none (RFC 3261 10.2.1.1 leaves it to him; this is what the common ones grant)."""
_CALL_SECONDS = 3600
_BINDS, _REMOVES = 1, 2
_TRUSTED_HERE = 2
_TCP = 6
_SYN = 2
_DIGITS = re.compile(rb"[0-9]+")
_folded = tables.folded


class Tracker:
    """Facts about messages in their exchange. All state is bounded and ages by the time of the packets."""

    def __init__(
        self,
        directions: Directions,
        transactions: Transactions | None = None,
        challenges: Challenges | None = None,
        standings: Standings | None = None,
        ends: Ends | None = None,
        dialogs: Dialogs | None = None,
    ) -> None:
        self.directions = directions
        self.transactions = transactions or Transactions()
        self.challenges = challenges or Challenges()
        self.standings = standings or Standings()
        self.ends = ends or Ends()
        self.dialogs = dialogs or Dialogs()
        self.connections = Connections()
        self.replies = Replies()

    def track(self, message: SipMessage | Malformed, examined: examine.Examined) -> Observation:
        """What is known of this message."""
        request = message.is_request
        direction = self.directions.of(examined, is_request=request)
        outgoing = direction == _OUTBOUND
        end = self.ends.of(examined, outgoing)
        held = self.standings.held(end.port, examined.ts)
        standing = held.standing if held is not None else 0
        connected = examined.transport == _TCP and not outgoing and not end.behind and self.connections.proves(examined)
        if connected and standing < Standing.PROVEN:
            standing = Standing.PROVEN
        kind = kind_of(message.protocol, direction, standing, message.what)
        observation = Observation(message, examined, message.protocol, direction, kind, standing)
        observation.end, observation.connected = end, connected
        observation.port_key, observation.source_key = end.port, end.source
        observation.sender_key = end.port if examined.version != 6 or end.behind else end.source  # noqa: PLR2004
        if message.what == WHAT_MALFORMED:
            return observation
        if request:
            if outgoing:
                self._own_request(observation)
            else:
                self._request(observation, held)
        elif outgoing:
            self._answer(observation)
        else:
            self._answer_to_us(observation)
        return observation

    def segment(self, examined: examine.Examined) -> bool:
        """A TCP segment, with a message or without: what it says of its connection. Whether somebody outside sent it."""
        # Who answers a SYN is a server. Where no address is known as protected, his answers and responses alone are known as such.
        asks = not examined.tcp_flags & _SYN and examined.content != _RESPONSE_CONTENT
        if self.directions.of(examined, is_request=asks) == _OUTBOUND:
            self.connections.left(examined)
            return False
        self.connections.came(examined)
        return True

    def dropped(self, observation: Observation) -> None:
        """We drop this request: the PBX never sees it, so nothing of it is evidence."""
        if observation.message.is_request:
            self.transactions.forget(observation.examined, observation.once_key)
            self.replies.dropped(observation.ts)

    def tables(self) -> Sequence[Table]:
        """The tables of its parts."""
        parts = (self.transactions, self.challenges, self.standings, self.dialogs, self.connections)
        return [table for part in parts for table in part.tables()]

    def tick(self, now: int) -> None:
        """Nothing here needs freeing: the tables are bounded and age by themselves."""

    # --- somebody outside asks, the PBX answers

    def _request(self, observation: Observation, held: Held | None) -> None:
        examined, ts, what, end = observation.examined, observation.ts, observation.message.what, observation.end
        standings = self.standings
        # Nobody answers an ACK: it repeats its call's credentials (RFC 3261 22.1) and tries nothing. So does a CANCEL.
        observation.has_credentials = what not in _NEVER_ASKED and observation.message.has_credentials
        name = _folded(examined.keys(_TO_USER if what in _NAMED_BY_TO else _FROM_USER))
        if what == _OPTIONS:
            name = _asked_about(examined, name)
        observation.name_key = name
        if observation.has_credentials:
            self._credentials(observation, end)
        else:
            observation.once_key = _once(examined, [name])
            observation.repeats = self.transactions.repeats(observation.once_key, ts)
        observation.accounts_at = standings.accounts_at(end.source, ts)
        account = observation.account_key or name
        call = standings.known_call(account, end.source, ts)
        observation.known = call is not None
        observation.name_known = observation.known or standings.is_account(account, ts)
        trusted = _trusts(held, account)
        observation.relieved = observation.known or trusted
        if observation.has_credentials:
            # Whoever guesses at it beside him, behind the same NAT, is not he.
            observation.trusted_here = trusted and held is not None and held.account != 0
            observation.pair_key = pair_key(account, end.port if observation.trusted_here else end.source)
        if call and call == (observation.call_key or _folded(examined.keys(_CALL_ID))):
            observation.call_known = True
        if what in _NEVER_ASKED or (what == _BYE and not observation.has_credentials):
            if what != _CANCEL and _is_stranger(held) and self.dialogs.proves(examined, end.address):
                standings.prove(end.port, _held(Standing.PROVEN, 0, 0, end), ts)
            return
        self.replies.asked(ts, relieved=observation.relieved)
        observation.stalled, observation.blind = self.replies.stalled(ts), self.replies.blind(ts)
        if not observation.repeats:
            self._wait(observation, end)

    def _credentials(self, observation: Observation, end: End) -> None:
        examined = observation.examined
        accounts = credentials.accounts(examined, observation.name_key)
        observation.account_key = accounts[0]
        # Which of several the PBX takes, nobody knows: each is tried.
        if len(accounts) > 1:
            observation.also = tuple(
                (other, self.standings.is_account(other, observation.ts)) for other in accounts[1:]
            )
        observation.proof = self.challenges.proof(examined, end.address)
        if observation.proof == Proof.OWN:
            observation.outcome = Outcome.CHALLENGED_ANSWERED
        elif observation.connected:
            observation.proof = Proof.OWN
        # The same transaction with other credentials is another guess: a registrar that keeps no state judges each.
        observation.once_key = _once(examined, [observation.name_key, *credentials.tried(examined)])
        observation.repeats = self.transactions.repeats(observation.once_key, observation.ts)
        observation.call_key = _folded(examined.keys(_CALL_ID))

    def _wait(self, observation: Observation, end: End) -> None:
        examined, what = observation.examined, observation.message.what
        call = observation.call_key or _folded(examined.keys(_CALL_ID))
        exchange = _folded([call, what, examined.key(examined.raw(_URI) or b"")]) if call else 0
        earned = observation.has_credentials and (
            observation.connected or self.challenges.asked_for(examined, end.address, exchange)
        )
        self.transactions.began(
            examined,
            Request(
                observation.account_key,
                observation.name_key,
                observation.pair_key,
                end.port,
                end.source,
                observation.sender_key,
                call,
                what,
                observation.proof,
                _TRUSTED_HERE if observation.trusted_here else int(observation.known),
                int(observation.name_known),
                self._binds(observation, earned=earned),
                0,
                exchange,
                int(earned),
                int(observation.call_known),
            ),
        )

    @staticmethod
    def _binds(observation: Observation, *, earned: bool) -> int:
        """What its acceptance makes of him. Nothing, where his connection proves him and his credentials are for another's nonce, or where
        the PBX did not ask this very request for them: it may never look at them.
        """
        if observation.outcome != Outcome.CHALLENGED_ANSWERED:
            return 0
        binds = _binds(observation.message.what, observation.examined)
        return binds if earned or binds == _REMOVES else 0

    def _answer(self, observation: Observation) -> None:
        examined, end = observation.examined, observation.end
        code = examined.code
        self.replies.answered()
        ended = self.transactions.ended(examined)
        if code in _CHALLENGES:
            self.challenges.sent(examined, end.address, ended[0].exchange if ended is not None else 0)
        elif observation.message.what == _SUCCESS_CLASS and examined.raw(_TO_TAG) is not None:
            self.dialogs.answered(examined, end.address)
        if ended is None:
            return
        request, observation.outcome, observation.harmless = ended
        observation.request = request
        observation.account_key, observation.name_key = request.account, request.name
        if request.account:
            observation.accounts_at = self.standings.accounts_at(request.source, observation.ts)
        if request.proof == Proof.OWN and observation.message.what == _SUCCESS_CLASS:
            self._accepted(observation, request, end)

    def _accepted(self, observation: Observation, request: Request, end: End) -> None:
        """His own nonce, his credentials, and the PBX says yes."""
        examined, ts = observation.examined, observation.ts
        if request.binds == _REMOVES:
            self.standings.withdraw(request.port, ts)
        if request.binds != _BINDS or request.port != end.port:
            return
        seconds = _granted(examined) if request.what == _REGISTER else _CALL_SECONDS
        until = ts + seconds * NANOSECONDS
        name = request.name if request.what == _REGISTER else 0
        held = _held(Standing.TRUSTED, request.account, name, end)
        before = self.standings.of(end.port, ts)
        if (
            self.standings.accept(end.port, request.source, held, request.call, ts, until)
            and before != Standing.TRUSTED
        ):
            observation.grant = Grant(Standing.TRUSTED, end.text[0], end.text[1], until)

    # --- the PBX asks somebody outside, he answers

    def _own_request(self, observation: Observation) -> None:
        self.transactions.went_out(observation.examined)
        if observation.message.what == _REGISTER:
            self.transactions.asked(observation.examined, observation.end.port)

    def _answer_to_us(self, observation: Observation) -> None:
        """A provider accepts a registration of the PBX: he alone could know its transaction."""
        examined, end, ts = observation.examined, observation.end, observation.ts
        if examined.code in _CHALLENGES:
            self.challenges.came(examined, asked=self.transactions.is_answer(examined))
        if observation.message.what != _SUCCESS_CLASS or not self.transactions.was_asked(examined, end.port):
            return
        seconds = _seconds(examined)
        if seconds:
            until = ts + seconds * NANOSECONDS
            before = self.standings.of(end.port, ts)
            held = _held(Standing.TRUSTED, 0, 0, end)
            if self.standings.trust(end.port, held, ts, until) and before != Standing.TRUSTED:
                observation.grant = Grant(Standing.TRUSTED, end.text[0], end.text[1], until)


def _trusts(held: Held | None, account: int) -> bool:
    """Trusted for this account, or, as a provider, for all."""
    return held is not None and held.standing == Standing.TRUSTED and (not held.account or account in held[1:3])


def _is_stranger(held: Held | None) -> bool:
    """Not even proven."""
    return held is None or held.standing < Standing.PROVEN


def _held(standing: Standing, account: int, name: int, end: End) -> Held:
    address, port = end.text
    high, low = int.from_bytes(address[:8], "big"), int.from_bytes(address[8:], "big")
    return Held(standing, account, name, high, low, port, int(end.behind or end.carrier))


def _once(examined: examine.Examined, parts: list[int]) -> int:
    """A key of one transaction and what it is about; 0, which is never a repetition, where it names no transaction."""
    return _folded([examined.transaction_key, *parts]) if examined.transaction_key else 0


def _asked_about(examined: examine.Examined, to: int) -> int:
    """Whom OPTIONS asks about: its Request-URI names him (RFC 3261 11.2), or To where that names nobody; both where they differ, for a
    PBX may look at either.
    """
    named = _folded(examined.keys(_URI_USER))
    return _folded([named, to]) if named and to and named != to else named or to


def _binds(what: int, examined: examine.Examined) -> int:
    """1 for a REGISTER that adds a binding (its Contact does not expire at once), or an INVITE for a new call; 2 for a removal."""
    if what == _INVITE:
        return int(examined.raw(_TO_TAG) is None)
    if what != _REGISTER:
        return 0
    contact = examined.raw(_CONTACT)
    if contact is None:
        return 0
    return _REMOVES if contact.strip() == b"*" or _seconds(examined) == 0 else _BINDS


def _granted(examined: examine.Examined) -> int:
    """Seconds for which the registrar keeps the binding, from its answer."""
    return _seconds(examined) or _EXPIRES_DEFAULT


def _seconds(examined: examine.Examined) -> int:
    """The expires parameter of the first Contact, else the Expires header (RFC 3261 10.2.1.1); the default where neither can be read."""
    _, named, text = (examined.raw(_CONTACT) or b"").lower().rpartition(b";expires=")
    found = _DIGITS.match(text) if named else None
    found = found or _DIGITS.match(examined.raw(_EXPIRES) or b"")
    return min(int(found[0][:10]), TRUSTED_SECONDS_MOST) if found else _EXPIRES_DEFAULT
