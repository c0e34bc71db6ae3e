"""A sensor that takes orders: the real engine with all its detectors, a site around it, and whoever asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sipsensor.app import build_engine
from sipsensor.config.load import defaults, from_table
from sipsensor.control.server import Peer
from sipsensor.live.orders import Orders
from sipsensor.live.posture import Posture
from sipsensor.live.why import Why
from sipsensor.model import Decision, Mode, Packet
from tests.support.live import FakeSensor
from tests.support.packets import PBX, PBX6, STRANGER
from tests.support.scanning import SEED
from tests.support.site import Guest, Site

PEER = Peer(4711, 1000, 1000)


class Commanding(Site):
    """A site whose sensor is asked; evidence and events are kept as a live sensor keeps them."""

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        made = from_table(dict(settings), "test") if settings else defaults()
        engine = build_engine(made, mode=Mode.ENFORCE, protected=[PBX, PBX6], seed=SEED)
        super().__init__(engine, start=1_800_000_000)
        self.sensor = FakeSensor(settings=made, engine=engine, protected=(PBX, PBX6))
        self.monotonic = 0.0
        self.orders = Orders(self.sensor, lambda: self.ts)
        self.posture = Posture(self.sensor, lambda: self.ts, lambda: self.monotonic)
        self.reasons = Why(self.sensor, lambda: self.ts)

    def process(self, packet: Packet) -> Decision:
        examined = self.engine.examiner.examine(packet)
        decision = self.engine.judge(examined)
        self.sensor.outlets.evidence.see(examined, decision)
        return decision

    @property
    def told(self) -> list[dict[str, Any]]:
        """Events of orders."""
        assert self.sensor.outlets.events is not None
        return self.sensor.outlets.events.told

    def order(self, command: str, /, **arguments: Any) -> dict[str, Any]:
        """What the sensor answers; ``peer`` is who asks."""
        peer = arguments.pop("peer", PEER)
        commands = {**self.orders.commands(), **self.posture.commands(), "why": self.reasons.why}
        return dict(commands[command](arguments, peer))

    def attack(self, account: str = "201", src: str = STRANGER, tries: int = 30) -> Guest:
        """Guesses at one account until it is cut from there."""
        guest = Guest(account, src)
        for _ in range(tries):
            self.register(guest, right=False)
            self.now += 1
        return guest
