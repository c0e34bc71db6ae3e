"""The safety net: when known phones stop registering after the sensor began to cut, it falls back to observe by itself.

Counted are registrations that ran out and were not renewed; a phone that says goodbye is none. It may be the office's line that is
down, and not the sensor: then falling back costs some minutes of protection, and not falling back would cost the office its phones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sipsensor.model import NANOSECONDS

if TYPE_CHECKING:
    from sipsensor.model import Observation
    from sipsensor.track.standing import Standings

LOOK = 10 * NANOSECONDS
REGISTRATION = 3600 * NANOSECONDS
"""How long a registration lasts where nobody says otherwise (RFC 3261 10.2): who is shut out has vanished by then."""
_FULL = 100


@dataclass(frozen=True, slots=True)
class Net:
    """``share`` percent of the phones that were registered when a cut came, ``phones`` at least, must be missing; 0 switches it off."""

    share: int = 30
    phones: int = 5
    window: int = 900
    """Seconds after a cut for which it is held to be the cause."""


class Safety:
    """Watches how many are registered from the first cut on. ``tripped`` says in words why it fell; empty while it holds."""

    def __init__(self, standings: Standings, net: Net | None = None) -> None:
        self.standings = standings
        self.net = net or Net()
        self.tripped = ""
        self._before = 0
        self._since = 0
        self._until = 0
        self._due = 0

    def cut(self, observation: Observation) -> None:
        """Something of this request was cut, or it was dropped for a cut. Where no account was ever accepted no phone is shut out:
        whoever guesses there all day is no reason for phones that go home at six.
        """
        if observation.known or observation.accounts_at:
            self.begin(observation.ts)

    def begin(self, now: int) -> None:
        """From now on phones that vanish may be our doing."""
        if now >= self._until or now >= self._since + REGISTRATION + self.net.window * NANOSECONDS:
            self._before = self.standings.registered(now)
            self.standings.withdrawn = 0
            self._since = now
        self._until = now + self.net.window * NANOSECONDS

    def tick(self, now: int) -> str:
        """Look, every ten seconds. In words why it falls, at the moment that it does."""
        if not self.net.share or self.tripped or now < self._due or now >= self._until:
            return ""
        self._due = now + LOOK
        left = self.standings.registered(now)
        self._before = max(self._before - self.standings.withdrawn, left)
        self.standings.withdrawn = 0
        missing = self._before - left
        if missing < self.net.phones or missing * _FULL < self._before * self.net.share:
            return ""
        self.tripped = f"{missing} of {self._before} registered phones are gone since something was cut"
        return self.tripped

    def reset(self, now: int) -> None:
        """The operator says to go on."""
        self.tripped = ""
        self._until = 0
        self._due = now
