"""Calls of IAX2 (RFC 5456 6 and 7): which frames are of a call that is known, who proved his address, and what became of what he asked for.

A call is known by both ends and the number that the remote one gave it. That a number is right proves nobody: it has 15 bits. An
echoed call token does, because it went to that address alone (threats.md 4.5); so does the answer to a challenge on a call whose token
was echoed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipsensor.fastpath import fold, frames, iax2, names, pair_key, tables
from sipsensor.model import NANOSECONDS, WHAT_MALFORMED, Direction, Grant, Outcome, Standing, Table
from sipsensor.protocols.iax2 import IaxFrame
from sipsensor.protocols.iax2.words import subclass_number
from sipsensor.track.challenges import Proof
from sipsensor.track.standing import TRUSTED_SECONDS_MOST, Held, Standings
from sipsensor.track.transactions import REQUEST_WIDTH, Request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sipsensor.fastpath import examine
    from sipsensor.model import Bounded, Observation
    from sipsensor.protocols.base import View
    from sipsensor.track.ends import End

TOKEN_SECONDS = 15
"""How long a call token is good: Asterisk takes it for ten seconds."""
BEGUN_SECONDS = 60
"""How long a call is known that nobody has answered yet: Asterisk gives its number to no other for as long."""
CALL_SECONDS = 3600
"""How long a call is known in which nothing is said."""
REPEAT_SECONDS = 60
"""How long a frame is known when it comes again: the first repetition comes after a second, and each waits longer than the one before."""
SPOKEN_SECONDS = 60
"""How long after its last media to an end the PBX is taken to be in a call with it."""
REFRESH_DEFAULT = 60
"""Seconds that a registration lasts where its answer names none (RFC 5456 6.1.2)."""

_NEW, _HANGUP, _REJECT, _ACCEPT, _POKE, _PONG, _CALLTOKEN = (
    subclass_number(name) for name in ("NEW", "HANGUP", "REJECT", "ACCEPT", "POKE", "PONG", "CALLTOKEN")
)
_AUTHREQ, _AUTHREP, _REGREQ, _REGAUTH, _REGACK, _REGREJ, _REGREL = (
    subclass_number(name) for name in ("AUTHREQ", "AUTHREP", "REGREQ", "REGAUTH", "REGACK", "REGREJ", "REGREL")
)
_OPENING = frozenset((_NEW, _REGREQ, _REGREL, _POKE))
"""What begins a call (RFC 5456 6.2.2, 6.1.1, 6.7.2)."""
_ASKING = _OPENING | {_AUTHREP}
_ENDING = frozenset((_REGACK, _REGREJ, _ACCEPT, _REJECT, _PONG))
_USERNAME, _TOKEN = names.FIELDS["ie.username"], names.FIELDS["ie.call-token"]
_CREDENTIALS = tuple(names.FIELDS[f"ie.{name}"] for name in ("md5-result", "rsa-result", "password"))
_REFRESH, _CAUSE = names.ELEMENTS["refresh"], names.ELEMENTS["cause-code"]
_OF_HIM = frozenset((-1, 21, 29, 50))
"""Cause codes of a REJECT that are about who asks, not about whom he asks for: none, call rejected, facility rejected, not subscribed."""
_MEDIA = (iax2.WHAT_MINI, iax2.WHAT_VIDEO_MINI, iax2.WHAT_TRUNK)
_SPEAKING = (*_MEDIA, iax2.WHAT_VOICE)
_TRUNK = iax2.WHAT_TRUNK
_PROVEN, _TRUSTED, _PROOF_OWN = int(Standing.PROVEN), int(Standing.TRUSTED), int(Proof.OWN)
_PENDING, _ACCEPTED, _REFUSED = int(Outcome.PENDING), int(Outcome.ACCEPTED), int(Outcome.REFUSED)
_CHALLENGED_ANSWERED = int(Outcome.CHALLENGED_ANSWERED)
_BINDS, _REMOVES, _TRUSTED_HERE = 1, 2, 2
_IN, _OUT = False, True
_NUMBER, _ACCOUNT, _CHALLENGED, _PROVED, _OPENED = range(5)
_WIDTH = 5
"""Of a call: the PBX's number for it, its account, the challenge on it, whether its token was echoed, what opened it."""
_BEGUN, _ANSWERED, _TAKEN = range(3)
"""Ranks: a call that the PBX took is not pushed out by those that anybody may begin."""


class Calls:
    """Bounded: a call pushed out is not known, and its frames say nothing of anybody."""

    def __init__(self, standings: Standings, capacity: int = 65_536) -> None:
        self.standings = standings
        self.table = tables.Records(capacity, _WIDTH)
        self.own = tables.Records(max(8, capacity // 8), 1)
        self.tokens = tables.Records(capacity, 1)
        self.waiting = tables.Records(capacity, REQUEST_WIDTH)
        self.seen = tables.SeenTable(capacity, REPEAT_SECONDS)
        self.spoken = tables.Records(max(8, capacity // 8), 1)

    def track(self, observation: Observation, view: View, examined: examine.Examined, end: End) -> None:
        """What is known of this frame."""
        if observation.what == WHAT_MALFORMED:
            frame = frames.frame_of(examined)
            outgoing = observation.direction == Direction.OUTBOUND
            call = 0 if frame is None else frame.destination_call if outgoing else frame.source_call
            # After a restart calls go on that nobody saw begin, and what is encrypted may look broken.
            spoken = self.spoken.holds(end.port, observation.ts)
            observation.in_call = frame is not None and (
                spoken or self.table.holds(frame.call_key(outgoing, call), observation.ts)
            )
        elif isinstance(view, IaxFrame):
            (self._went if observation.direction == Direction.OUTBOUND else self._came)(observation, view, end)

    def _came(self, observation: Observation, view: IaxFrame, end: End) -> None:
        """A frame of somebody outside."""
        frame, ts, what = view.frame, observation.ts, observation.what
        key = frame.call_key(_IN, frame.source_call)
        observation.in_call = self._is_known(view, key, ts) or (what in _SPEAKING and self.spoken.holds(end.port, ts))
        if what not in _ASKING:
            return
        observation.transaction = key
        once = fold(fold(key, frame.timestamp), frame.oseqno << 8 | what)
        if view.token:
            once = fold(once, view.examined.key(view.token))
        observation.once_key = once
        observation.repeats = self.seen.touch(once, ts)
        self._began(observation, view, end, key)
        place = self.table.find(key, ts)
        observation.name_key = view.examined.named(_USERNAME) or self.table.number(place, _ACCOUNT)
        observation.has_credentials = view.has_credentials
        if observation.has_credentials:
            self._credentials(observation, view, key)
        self.standings.recognize(observation, end)
        if not observation.repeats:
            self._wait(observation, end, key)

    def _went(self, observation: Observation, view: IaxFrame, end: End) -> None:
        """A frame of the PBX."""
        frame, ts, what = view.frame, observation.ts, observation.what
        if what == _CALLTOKEN:
            if view.token:
                until = ts + TOKEN_SECONDS * NANOSECONDS
                self.tokens.put_one(pair_key(view.examined.key(view.token), end.port), ts, until, 1)
            self.waiting.forget(frame.call_key(_OUT, frame.destination_call))
            return
        if what in _OPENING and not frame.destination_call:
            self.own.put_one(
                self._own_key(frame.call_key(_OUT, frame.source_call)), ts, ts + BEGUN_SECONDS * NANOSECONDS, 1
            )
            return
        if what in _SPEAKING:
            self._speaks(end, ts)
        if what in _MEDIA or not frame.destination_call:
            return
        key = frame.call_key(_OUT, frame.destination_call)
        place = self.table.find(key, ts)
        if place >= 0:
            self._answered(view, key, place, ts)
        if what in _ENDING:
            self._ended(observation, view, end, key)

    def dropped(self, observation: Observation) -> None:
        """The PBX never sees this frame: when it comes again, it is no repetition, and nothing answers it."""
        self.seen.forget(observation.once_key)
        if observation.transaction:
            self.waiting.forget(observation.transaction)

    def tables(self) -> Sequence[Table]:
        """Calls of both sides, tokens, and what waits for an answer."""
        held: dict[str, Bounded] = {
            "iax2_calls": self.table,
            "iax2_own_calls": self.own,
            "iax2_tokens": self.tokens,
            "iax2_requests": self.waiting,
            "iax2_frames": self.seen,
            "iax2_spoken": self.spoken,
        }
        return [Table.of(name, table) for name, table in held.items()]

    def _speaks(self, end: End, ts: int) -> None:
        """The PBX sends media to that end: a call goes on, whoever saw it begin."""
        place = self.spoken.find(end.port, ts)
        if place < 0 or self.spoken.ends(place) - ts < SPOKEN_SECONDS * NANOSECONDS // 2:
            self.spoken.put_one(end.port, ts, ts + SPOKEN_SECONDS * NANOSECONDS, 1)

    # --- what came

    def _is_known(self, view: IaxFrame, key: int, ts: int) -> bool:
        """Whether it is of a call, all of it; and the call is known for longer then."""
        frame = view.frame
        if frame.what == _TRUNK:
            calls = frame.calls()
            return bool(calls) and all(self.table.holds(frame.call_key(_IN, call), ts) for call in calls)
        place = self.table.find(key, ts)
        if place < 0:
            return self._is_ours(view, key, ts)
        if self.table.number(place, _NUMBER) and self.table.ends(place) - ts < CALL_SECONDS * NANOSECONDS // 2:
            self._keep(key, ts, CALL_SECONDS, self._numbers(place), _ANSWERED)
        return True

    def _is_ours(self, view: IaxFrame, key: int, ts: int) -> bool:
        """The first answer on a call that the PBX began."""
        frame = view.frame
        if not frame.destination_call or not self.own.holds(
            self._own_key(frame.call_key(_IN, frame.destination_call)), ts
        ):
            return False
        self._keep(key, ts, CALL_SECONDS, [frame.destination_call, 0, 0, 0, 0], _ANSWERED)
        return True

    def _began(self, observation: Observation, view: IaxFrame, end: End, key: int) -> None:
        """Note a call that begins, and whether he receives where he says he is."""
        frame, ts = view.frame, observation.ts
        proved = False
        if view.token:
            proved = self.tokens.holds(pair_key(view.examined.key(view.token), end.port), ts)
            observation.connected = proved
            if proved and observation.standing < _PROVEN:
                self.standings.prove(end.port, held_of(_PROVEN, 0, end), ts)
        if observation.what not in _OPENING:
            return
        if frame.destination_call or (self.table.number(self.table.find(key, ts), _NUMBER) and not proved):
            # It goes on with a call; or anybody might say that a call begins, and spoil one that is under way.
            return
        account = view.examined.named(_USERNAME)
        self._keep(key, ts, BEGUN_SECONDS, [0, account, 0, int(proved), observation.what], _BEGUN)

    def _credentials(self, observation: Observation, view: IaxFrame, key: int) -> None:
        """For the account that he names, else the one that the call began for. They answer a challenge that went to him alone where he
        echoed a token on this call, and names the PBX's number for it.
        """
        place = self.table.find(key, observation.ts)
        observation.account_key, observation.call_key = observation.name_key, key
        number = self.table.number(place, _NUMBER)
        right = number != 0 and number == view.frame.destination_call
        if right and self.table.number(place, _CHALLENGED) and self.table.number(place, _PROVED):
            observation.proof, observation.outcome = _PROOF_OWN, _CHALLENGED_ANSWERED
        observation.nonce_key = self.table.number(place, _CHALLENGED)

    def _wait(self, observation: Observation, end: End, key: int) -> None:
        request = Request()
        request.account, request.name, request.pair = (
            observation.account_key,
            observation.name_key,
            observation.pair_key,
        )
        request.port, request.source, request.sender = end.port, end.source, observation.sender_key
        request.call, request.exchange = observation.call_key, 0
        request.what, request.proof = observation.what, observation.proof
        request.known = _TRUSTED_HERE if observation.trusted_here else observation.known
        request.name_known, request.call_known = observation.name_known, observation.call_known
        request.earned = observation.proof == _PROOF_OWN
        if request.earned:
            request.binds = _REMOVES if observation.what == _REGREL else _BINDS
        if self.waiting.holds(key, observation.ts):
            # Which of the two will be answered, nobody knows: then the answer is good for nobody.
            request.proof = request.binds = request.earned = 0
            request.taken = 1
        place = self.waiting.keep(key, observation.ts, observation.ts + BEGUN_SECONDS * NANOSECONDS)
        if place >= 0:
            request.write(self.waiting, place)

    # --- what the PBX says

    def _answered(self, view: IaxFrame, key: int, place: int, ts: int) -> None:
        frame, numbers = view.frame, self._numbers(place)
        if frame.what == _HANGUP:
            # Its last frames are still to come.
            numbers[_NUMBER] = 0
            self._keep(key, ts, BEGUN_SECONDS, numbers, _BEGUN)
            return
        if frame.what in {_AUTHREQ, _REGAUTH}:
            numbers[_CHALLENGED] = view.examined.key(view.get("challenge") or b"") or 1
            self.waiting.forget(key)
        numbers[_NUMBER] = frame.source_call
        self._keep(key, ts, CALL_SECONDS, numbers, _TAKEN if frame.what == _ACCEPT else _ANSWERED)

    def _ended(self, observation: Observation, view: IaxFrame, end: End, key: int) -> None:
        """What became of what he asked for. A challenge alone ends nothing."""
        ts, what = observation.ts, observation.what
        place = self.waiting.find(key, ts)
        if place < 0:
            return
        request = Request()
        request.read(self.waiting, place)
        self.waiting.forget(key)
        observation.request = request
        observation.account_key, observation.name_key = request.account, request.name
        if request.account and not request.known:
            observation.accounts_at = self.standings.accounts_at(request.source, ts)
        refused = what == _REGREJ or (what == _REJECT and view.frame.number(_CAUSE) in _OF_HIM)
        observation.outcome = _REFUSED if refused else _PENDING if what == _REJECT else _ACCEPTED
        observation.harmless = not refused
        if observation.outcome == _ACCEPTED and request.earned:
            self._accepted(observation, view, request, end)

    def _accepted(self, observation: Observation, view: IaxFrame, request: Request, end: End) -> None:
        """His own challenge, his credentials, and the PBX says yes."""
        ts = observation.ts
        if request.binds == _REMOVES:
            self.standings.withdraw(request.port, ts)
            return
        refresh = view.frame.number(_REFRESH)
        seconds = CALL_SECONDS if observation.what == _ACCEPT else refresh if refresh > 0 else REFRESH_DEFAULT
        until = ts + min(seconds, TRUSTED_SECONDS_MOST) * NANOSECONDS
        held = held_of(_TRUSTED, request.account, end)
        if (
            self.standings.accept(end.port, request.source, held, request.call, ts, until)
            and observation.standing != _TRUSTED
        ):
            observation.grant = Grant(Standing.TRUSTED, end.text[0], end.text[1], until)

    # --- inside

    def _keep(self, key: int, ts: int, seconds: int, numbers: list[int], rank: int) -> None:
        place = self.table.keep(key, ts, ts + seconds * NANOSECONDS, rank)
        if place >= 0:
            for index, number in enumerate(numbers):
                self.table.fill_in(place, index, number)

    def _numbers(self, place: int) -> list[int]:
        return [self.table.number(place, index) for index in range(_WIDTH)]

    @staticmethod
    def _own_key(call: int) -> int:
        """The PBX's numbers and those of others are different things."""
        return pair_key(call, 1)


def held_of(standing: int, account: int, end: End) -> Held:
    """What is kept of that end."""
    return Held(standing, account, 0, end.half(0), end.half(8), end.number(), int(end.behind or end.carrier))
