"""Message in, observation out: direction, kind, standing, transaction, account, proof, outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipsensor.fastpath import names
from sipsensor.model import NANOSECONDS, WHAT_MALFORMED, Direction, Observation, Outcome, kind_of
from sipsensor.track.challenges import Proof
from sipsensor.track.transactions import Request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sipsensor.fastpath import examine
    from sipsensor.model import Table
    from sipsensor.protocols.base import Malformed
    from sipsensor.protocols.sip import SipMessage
    from sipsensor.track.challenges import Challenges
    from sipsensor.track.direction import Directions
    from sipsensor.track.standing import Standings
    from sipsensor.track.transactions import Transactions

_OUTBOUND = Direction.OUTBOUND
_USERNAME, _NONCE, _RESPONSE = (names.FIELDS[name] for name in ("auth.username", "auth.nonce", "auth.response"))
_TO_USER, _FROM_USER = names.FIELDS["to.user"], names.FIELDS["from.user"]
_CONTACT, _EXPIRES, _TO_TAG = names.FIELDS["contact"], names.FIELDS["expires"], names.FIELDS["to.tag"]
_REGISTER, _INVITE = names.METHODS.index(b"REGISTER"), names.METHODS.index(b"INVITE")
_CHALLENGES = frozenset((401, 407))
_EXPIRES_DEFAULT = 3600
"""Seconds, where a registrar names none (RFC 3261 10.2.1.1 leaves it to him; this is what the common ones grant)."""
_CALL_SECONDS = 3600
_WORD = (1 << 64) - 1


class Tracker:
    """Facts about messages in their exchange. All state is bounded and ages by the time of the packets."""

    def __init__(
        self, directions: Directions, transactions: Transactions, challenges: Challenges, standings: Standings
    ) -> None:
        self.directions = directions
        self.transactions = transactions
        self.challenges = challenges
        self.standings = standings

    def track(self, message: SipMessage | Malformed, examined: examine.Examined) -> Observation:
        """What is known of this message."""
        request = message.is_request
        direction = self.directions.of(examined, is_request=request)
        outgoing = direction == _OUTBOUND
        port = examined.port_key(outgoing)
        standing = self.standings.of(port, examined.ts)
        kind = kind_of(message.protocol, direction, standing, message.what)
        observation = Observation(message, examined, message.protocol, direction, kind, standing)
        observation.port_key = port
        if message.what == WHAT_MALFORMED:
            return observation
        if request and not outgoing:
            self._request(observation)
        elif outgoing and not request:
            self._answer(observation)
        return observation

    def dropped(self, observation: Observation) -> None:
        """We drop this request: the PBX never sees it, so nothing of it is evidence."""
        if observation.message.is_request:
            self.transactions.forget(observation.examined)

    def tables(self) -> Sequence[Table]:
        """The tables of its parts."""
        return [*self.transactions.tables(), *self.challenges.tables(), *self.standings.tables()]

    def tick(self, now: int) -> None:
        """Nothing here needs freeing: the tables are bounded and age by themselves."""

    def _request(self, observation: Observation) -> None:
        """Somebody outside asks."""
        examined, ts = observation.examined, observation.ts
        keys = examined.keys(_TO_USER if observation.message.what == _REGISTER else _FROM_USER)
        observation.name_key = _folded(keys)
        observation.name_known = self.standings.is_account(observation.name_key, ts)
        if not observation.message.has_credentials:
            observation.repeats = self.transactions.repeats(examined.transaction_key, ts)
            return
        observation.has_credentials = True
        observation.account_key = _folded(examined.keys(_USERNAME)) or 1
        observation.proof = self.challenges.proof(examined)
        observation.known = self.standings.is_known(observation.account_key, observation.source_key, ts)
        # The same transaction with other credentials is another guess: a registrar that keeps no state judges each.
        tried = _folded([examined.transaction_key, *examined.keys(_RESPONSE), *examined.keys(_NONCE)])
        observation.repeats = self.transactions.repeats(tried, ts)
        if not observation.repeats:
            what = observation.message.what
            request = Request(
                ts,
                observation.account_key,
                observation.port_key,
                observation.source_key,
                what,
                observation.proof,
                int(observation.known),
                int(observation.name_known),
                int(_binds(what, examined)),
            )
            self.transactions.began(examined, request)

    def _answer(self, observation: Observation) -> None:
        """The PBX answers somebody outside."""
        examined = observation.examined
        if examined.code in _CHALLENGES:
            self.challenges.sent(examined)
        ended = self.transactions.ended(examined)
        if ended is None:
            return
        request, observation.outcome = ended
        observation.request = request
        observation.account_key = request.account
        if observation.outcome == Outcome.ACCEPTED and request.proof == Proof.OWN and request.binds and examined.code < 300:  # noqa: PLR2004
            seconds = _granted(examined) if request.what == _REGISTER else _CALL_SECONDS
            until = examined.ts + seconds * NANOSECONDS
            self.standings.accept(request.port, request.account, request.network, examined.ts, until)


def _folded(keys: list[int]) -> int:
    """One key of several, whatever their order of importance: 0 for none."""
    folded = 0
    for key in keys:
        folded = (folded * 0x9E3779B97F4A7C15 + key) & _WORD
    return folded


def _binds(what: int, examined: examine.Examined) -> bool:
    """A REGISTER that adds a binding (no query: it has a Contact; no removal: it does not expire at once), or an INVITE for a new call."""
    if what == _INVITE:
        return examined.raw(_TO_TAG) is None
    if what != _REGISTER:
        return False
    contact = examined.raw(_CONTACT)
    if contact is None or contact.strip() == b"*":
        return False
    return _seconds(examined) != 0


def _granted(examined: examine.Examined) -> int:
    """Seconds for which the registrar keeps the binding, from its answer."""
    return _seconds(examined) or _EXPIRES_DEFAULT


def _seconds(examined: examine.Examined) -> int:
    """The expires parameter of the first Contact, else the Expires header (RFC 3261 10.2.1.1); the default where neither can be read."""
    contact = (examined.raw(_CONTACT) or b"").lower()
    for text in (contact.rpartition(b";expires=")[2] if b";expires=" in contact else b"", examined.raw(_EXPIRES) or b""):
        digits = text[: next((i for i, byte in enumerate(text) if not 48 <= byte <= 57), len(text))]  # noqa: PLR2004
        if digits:
            return min(int(digits[:10]), 86400 * 7)
    return _EXPIRES_DEFAULT


