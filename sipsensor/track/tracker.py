"""Message in, observation out: direction, remote end, kind, standing, transaction, account, proof, outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipsensor.fastpath import examine, fold, names
from sipsensor.model import (
    NANOSECONDS,
    WHAT_MALFORMED,
    WHAT_STATUS,
    AppProtocol,
    Direction,
    Grant,
    Observation,
    Outcome,
    Standing,
    kind_of,
)
from sipsensor.track.calls import Calls
from sipsensor.track.challenges import Challenges, Proof
from sipsensor.track.connections import Connections
from sipsensor.track.credentials import accounts
from sipsensor.track.dialogs import Dialogs
from sipsensor.track.ends import End, Ends
from sipsensor.track.replies import Replies
from sipsensor.track.standing import TRUSTED_SECONDS_MOST, Held, Standings
from sipsensor.track.transactions import Request, Transactions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sipsensor.model import Table
    from sipsensor.protocols.base import View
    from sipsensor.track.direction import Directions

_OUTBOUND = int(Direction.OUTBOUND)
_PROVEN, _TRUSTED = int(Standing.PROVEN), int(Standing.TRUSTED)
_PROOF_OWN, _CHALLENGED_ANSWERED = int(Proof.OWN), int(Outcome.CHALLENGED_ANSWERED)
_MALFORMED, _IAX2 = WHAT_MALFORMED, int(AppProtocol.IAX2)
_RESPONSE_CONTENT = examine.CONTENT_RESPONSE
_TO_USER, _FROM_USER, _URI_USER = (names.FIELDS[name] for name in ("to.user", "from.user", "uri.user"))
_URI, _NONCE = names.FIELDS["uri"], names.FIELDS["auth.nonce"]
_AUTHORIZATION, _PROXY_AUTHORIZATION = names.FIELDS["authorization"], names.FIELDS["proxy-authorization"]
_CALL_ID, _CONTACT, _TO_TAG = (names.FIELDS[name] for name in ("call-id", "contact", "to.tag"))
_REGISTER, _INVITE, _OPTIONS, _ACK, _BYE, _CANCEL = (
    names.METHODS.index(method) for method in (b"REGISTER", b"INVITE", b"OPTIONS", b"ACK", b"BYE", b"CANCEL")
)
_SUCCESS_CLASS = WHAT_STATUS + 2
_UNAUTHORIZED, _PROXY_UNAUTHORIZED = 401, 407
_EXPIRES_DEFAULT = 3600
"""Seconds, where a registrar names none (RFC 3261 10.2.1.1 leaves it to him; this is what the common ones grant)."""
_CALL_SECONDS = 3600
_SECONDS_MOST, _SECOND = TRUSTED_SECONDS_MOST, NANOSECONDS
_BINDS, _REMOVES = 1, 2
_TRUSTED_HERE = 2
_TCP, _IPV6 = 6, 6
_SYN = 2


class Tracker:
    """Facts about messages in their exchange. All state is bounded and ages by the time of the packets."""

    def __init__(  # noqa: PLR0913, PLR0917 - its parts, by name
        self,
        directions: Directions,
        transactions: Transactions | None = None,
        challenges: Challenges | None = None,
        standings: Standings | None = None,
        ends: Ends | None = None,
        dialogs: Dialogs | None = None,
        connections: Connections | None = None,
        replies: Replies | None = None,
        calls: Calls | None = None,
    ) -> None:
        self.directions = directions
        self.transactions = transactions or Transactions()
        self.challenges = challenges or Challenges()
        self.standings = standings or Standings()
        self.ends = ends or Ends()
        self.dialogs = dialogs or Dialogs()
        self.connections = connections or Connections()
        self.replies = replies or Replies()
        self.calls = calls or Calls(self.standings)

    def track(self, message: View, examined: examine.Examined) -> Observation:
        """What is known of this message."""
        request, protocol, what = message.is_request, message.protocol, message.what
        direction = self.directions.of(examined, request)
        outgoing = direction == _OUTBOUND
        end = self.ends.of(examined, outgoing)
        standing = self.standings.level(end.port, examined.ts)
        connected = examined.transport == _TCP and not outgoing and not end.behind and self.connections.proves(examined)
        if connected and standing < _PROVEN:
            standing = _PROVEN
        kind = kind_of(protocol, direction, standing, what)
        observation = Observation.__new__(Observation)
        observation.begin(message, examined, examined.ts, examined.transaction_key, protocol, direction, kind, standing)
        observation.end, observation.connected = end, connected
        observation.port_key, observation.source_key = end.port, end.source
        observation.sender_key = end.port if examined.version != _IPV6 or end.behind else end.source
        if protocol == _IAX2:
            self.calls.track(observation, message, examined, end)
        elif what == _MALFORMED:
            return observation
        elif request:
            if outgoing:
                self._own_request(observation, examined, end)
            else:
                self._request(observation, examined, end)
        elif outgoing:
            self._answer(observation, examined, end)
        else:
            self._answer_to_us(observation, examined, end)
        return observation

    def segment(self, examined: examine.Examined) -> bool:
        """A TCP segment, with a message or without: what it says of its connection. Whether somebody outside sent it."""
        # Who answers a SYN is a server. Where no address is known as protected, his answers and responses alone are known as such.
        asks = not examined.tcp_flags & _SYN and examined.content != _RESPONSE_CONTENT
        if self.directions.of(examined, asks) == _OUTBOUND:
            self.connections.left(examined)
            return False
        self.connections.came(examined)
        return True

    def dropped(self, observation: Observation) -> None:
        """We drop this request: the PBX never sees it, so nothing of it is evidence."""
        if observation.protocol == _IAX2:
            self.calls.dropped(observation)
        elif observation.message.is_request:
            self.transactions.forget(observation.examined, observation.once_key)
            self.replies.dropped(observation.ts)

    def tables(self) -> Sequence[Table]:
        """The tables of its parts."""
        parts = (self.transactions, self.challenges, self.standings, self.dialogs, self.connections, self.calls)
        return [table for part in parts for table in part.tables()]

    def tick(self, now: int) -> None:
        """Nothing here needs freeing: the tables are bounded and age by themselves."""

    # --- somebody outside asks, the PBX answers

    def _request(self, observation: Observation, examined: examine.Examined, end: End) -> None:
        ts, what = observation.ts, observation.what
        standings = self.standings
        # Nobody answers an ACK: it repeats its call's credentials (RFC 3261 22.1) and tries nothing. So does a CANCEL.
        asks = what not in (_ACK, _CANCEL)
        observation.has_credentials = asks and (examined.has(_AUTHORIZATION) or examined.has(_PROXY_AUTHORIZATION))
        name = examined.named(_TO_USER if what in (_REGISTER, _OPTIONS) else _FROM_USER)
        if what == _OPTIONS:
            name = _asked_about(examined, name)
        observation.name_key = name
        if observation.has_credentials:
            self._credentials(observation, examined, end)
        elif observation.transaction:
            observation.once_key = fold(observation.transaction, name)
            observation.repeats = self.transactions.repeats(observation.once_key, ts)
        standings.recognize(observation, end)
        call = observation.call_key or examined.named(_CALL_ID)
        if observation.known and call:
            account = observation.account_key or name
            observation.call_known = standings.known_call(account, end.source, ts) == call
        if not asks or (what == _BYE and not observation.has_credentials):
            if what != _CANCEL and (observation.connected or observation.standing < _PROVEN):
                self._prove(examined, end)
            return
        self.replies.asked(ts, observation.relieved)
        observation.stalled, observation.blind = self.replies.stalled(ts), self.replies.blind(ts)
        if not observation.repeats:
            self._wait(observation, examined, end, call)

    def _prove(self, examined: examine.Examined, end: End) -> None:
        if self.dialogs.proves(examined, end.address):
            self.standings.prove(end.port, _held(_PROVEN, 0, 0, end), examined.ts)

    def _credentials(self, observation: Observation, examined: examine.Examined, end: End) -> None:
        plain = examined.plain_username()
        if plain:
            observation.account_key = plain
        else:
            names_tried = accounts(examined, observation.name_key)
            observation.account_key = names_tried[0]
            # Which of several the PBX takes, nobody knows: each is tried.
            observation.also = tuple(
                [(other, self.standings.is_account(other, observation.ts)) for other in names_tried[1:]]
            )
        observation.nonce_key, observation.call_key = examined.sole(_NONCE), examined.named(_CALL_ID)
        # The same transaction with other credentials is another guess: a registrar that keeps no state judges each. A retransmission
        # is the same text (RFC 3261 17.1.1.2).
        if observation.transaction:
            observation.once_key = fold(fold(observation.transaction, observation.name_key), examined.credentials_key())
        observation.proof = self.challenges.proof(examined, end.address, observation.nonce_key)
        if observation.proof == _PROOF_OWN:
            observation.outcome = _CHALLENGED_ANSWERED
        elif observation.connected:
            observation.proof = _PROOF_OWN
        observation.repeats = self.transactions.repeats(observation.once_key, observation.ts)

    def _wait(self, observation: Observation, examined: examine.Examined, end: End, call: int) -> None:
        what = observation.what
        exchange = fold(fold(call, what), examined.text_key(_URI)) if call else 0
        earned = observation.has_credentials and (
            observation.connected or self.challenges.asked_for(examined, end.address, exchange, observation.nonce_key)
        )
        request = Request.__new__(Request)
        request.account, request.name, request.pair = (
            observation.account_key,
            observation.name_key,
            observation.pair_key,
        )
        request.port, request.source, request.sender = end.port, end.source, observation.sender_key
        request.call, request.exchange = call, exchange
        request.what, request.proof = what, observation.proof
        request.known = _TRUSTED_HERE if observation.trusted_here else observation.known
        request.name_known, request.call_known = observation.name_known, observation.call_known
        request.earned, request.binds, request.taken = earned, 0, 0
        if observation.outcome == _CHALLENGED_ANSWERED:
            request.binds = _binding(what, examined, earned)
        self.transactions.began(examined, request)

    def _answer(self, observation: Observation, examined: examine.Examined, end: End) -> None:
        code = examined.code
        self.replies.answered()
        ended = self.transactions.ended(examined)
        if code in (_UNAUTHORIZED, _PROXY_UNAUTHORIZED):
            self.challenges.sent(examined, end.address, ended[0].exchange if ended is not None else 0)
        elif observation.what == _SUCCESS_CLASS and examined.cseq_method() == _INVITE and examined.has(_TO_TAG):
            self.dialogs.answered(examined, end.address)
        if ended is None:
            return
        request, observation.outcome, observation.harmless = ended
        observation.request = request
        observation.account_key, observation.name_key = request.account, request.name
        if request.account and not request.known:
            observation.accounts_at = self.standings.accounts_at(request.source, observation.ts)
        if request.proof == _PROOF_OWN and observation.what == _SUCCESS_CLASS:
            self._accepted(observation, examined, request, end)

    def _accepted(self, observation: Observation, examined: examine.Examined, request: Request, end: End) -> None:
        """His own nonce, his credentials, and the PBX says yes."""
        ts = observation.ts
        if request.binds == _REMOVES:
            self.standings.withdraw(request.port, ts)
        if request.binds != _BINDS or request.port != end.port:
            return
        seconds = _granted(examined) if request.what == _REGISTER else _CALL_SECONDS
        until = ts + seconds * _SECOND
        name = request.name if request.what == _REGISTER else 0
        held = _held(_TRUSTED, request.account, name, end)
        if (
            self.standings.accept(end.port, request.source, held, request.call, ts, until)
            and observation.standing != _TRUSTED
        ):
            observation.grant = Grant(Standing.TRUSTED, end.text[0], end.text[1], until)

    # --- the PBX asks somebody outside, he answers

    def _own_request(self, observation: Observation, examined: examine.Examined, end: End) -> None:
        self.transactions.went_out(examined)
        if observation.what == _REGISTER:
            self.transactions.asked(examined, end.port)

    def _answer_to_us(self, observation: Observation, examined: examine.Examined, end: End) -> None:
        """A provider accepts a registration of the PBX: he alone could know its transaction."""
        ts, code = observation.ts, examined.code
        if code in (_UNAUTHORIZED, _PROXY_UNAUTHORIZED):
            self.challenges.came(examined, self.transactions.is_answer(examined))
        if observation.what != _SUCCESS_CLASS or not self.transactions.was_asked(examined, end.port):
            return
        seconds = _seconds(examined)
        if seconds:
            until = ts + seconds * _SECOND
            held = _held(_TRUSTED, 0, 0, end)
            if self.standings.trust(end.port, held, ts, until) and observation.standing != _TRUSTED:
                observation.grant = Grant(Standing.TRUSTED, end.text[0], end.text[1], until)


def _held(standing: int, account: int, name: int, end: End) -> Held:
    held = Held.__new__(Held)
    held.standing, held.account, held.name = standing, account, name
    held.high, held.low, held.port = end.half(0), end.half(8), end.number()
    held.behind = end.behind or end.carrier
    return held


def _asked_about(examined: examine.Examined, to: int) -> int:
    """Whom OPTIONS asks about: its Request-URI names him (RFC 3261 11.2), or To where that names nobody; both where they differ, for a
    PBX may look at either.
    """
    named = examined.named(_URI_USER)
    return fold(named, to) if named and to and named != to else named or to


def _binding(what: int, examined: examine.Examined, earned: bool) -> int:  # noqa: FBT001 - typed for C
    """What its acceptance makes of him whose credentials are on his own nonce. Nothing, where the PBX did not ask this very request for
    them: it may never look at them.
    """
    binds = _binds(what, examined)
    return binds if earned or binds == _REMOVES else 0


def _binds(what: int, examined: examine.Examined) -> int:
    """1 for a REGISTER that adds a binding (its Contact does not expire at once), or an INVITE for a new call; 2 for a removal."""
    if what == _INVITE:
        return int(not examined.has(_TO_TAG))
    if what != _REGISTER:
        return 0
    if not examined.has(_CONTACT):
        return 0
    return _BINDS if _seconds(examined) else _REMOVES


def _granted(examined: examine.Examined) -> int:
    """Seconds for which the registrar keeps the binding, from its answer."""
    return _seconds(examined) or _EXPIRES_DEFAULT


def _seconds(examined: examine.Examined) -> int:
    """For how long a registration is asked for, or granted; the default where nothing can be read."""
    found = examined.expires()
    return _EXPIRES_DEFAULT if found < 0 else min(found, _SECONDS_MOST)
