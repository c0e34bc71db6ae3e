"""What the sensor serves beside packets: the metrics and the control socket.

At the first start a port or a path that cannot be had is an error that the operator sees. A sensor that is started again goes on without:
judging packets is what it is for.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import ExitStack
from typing import Protocol

from sipsensor.control import ControlError
from sipsensor.control.server import Command, Server
from sipsensor.engine import Engine
from sipsensor.export.events.text import shown
from sipsensor.export.metrics import Endpoint, MetricsError, Tls, registry
from sipsensor.live import clock
from sipsensor.live.commanded import Commanded, CommandedOutlets, Events
from sipsensor.live.numbers import EventNumbers, Live, Numbers, OutletNumbers
from sipsensor.live.orders import Orders
from sipsensor.live.page import Number
from sipsensor.live.posture import Posture
from sipsensor.live.status import Watch
from sipsensor.live.why import Why

FORGET = 60
"""Seconds between two looks for evidence that is too old."""


class ServedEvents(EventNumbers, Events, Protocol):
    """An event log that counts, and takes what orders tell."""


class ServedOutlets(OutletNumbers, CommandedOutlets, Protocol):
    """Both of the outlets."""

    @property
    def events(self) -> ServedEvents | None:
        """The event log."""


class Served(Live, Commanded, Protocol):
    """A live sensor that tells of itself and takes orders."""

    @property
    def engine(self) -> Engine:
        """The engine."""

    @property
    def outlets(self) -> ServedOutlets:
        """Events, evidence, recording, quarantine."""


def serve_metrics(sensor: Live, edges: ExitStack, say: Callable[[str], object]) -> Endpoint | None:
    """The endpoint of ``metrics.listen``; ``edges`` closes it, ``say`` tells the operator. Raises MetricsError at the first start."""
    settings = sensor.settings.metrics
    if not settings.listen:
        return None
    tls = Tls(settings.certificate, settings.key, settings.client_ca) if settings.certificate else None
    numbers = registry(Numbers(sensor).series, process=True)
    try:
        endpoint = Endpoint(settings.listen, numbers, tls, _teller("the metrics", say))
    except MetricsError as error:
        if not sensor.page[Number.RESTARTS]:
            raise
        say(f"there are no metrics: {error}")
        return None
    edges.callback(endpoint.close)
    return endpoint


def serve_control(sensor: Served, posture: Posture, edges: ExitStack, say: Callable[[str], object]) -> Server | None:
    """The socket of ``control.socket``; ``edges`` closes it, ``say`` tells the operator. Raises ControlError at the first start."""
    path = sensor.settings.control.socket
    if not path:
        return None
    watch = Watch(sensor)

    ticks = itertools.count(1)

    def tick() -> None:
        try:
            if next(ticks) % FORGET == 0:
                with sensor.between_packets():
                    sensor.outlets.evidence.tick(clock.now())
        finally:
            watch.sample()

    commands: dict[str, Command] = {
        "status": lambda _arguments, _peer: {**watch.status(), "reverts": posture.until},
        **Orders(sensor).commands(),
        **posture.commands(),
        "why": Why(sensor).why,
    }
    try:
        server = Server(path, commands, tick=tick, complain=_teller("the control socket", say))
    except ControlError as error:
        if not sensor.page[Number.RESTARTS]:
            raise
        say(f"there is no control socket: {error}")
        return None
    edges.callback(server.close)
    return server


def _teller(what: str, say: Callable[[str], object]) -> Callable[[BaseException], object]:
    """Says the same fault once, not at each scrape."""
    said: set[str] = set()

    def tell(error: BaseException) -> None:
        line = shown(f"{type(error).__name__}: {error}")
        if line not in said and len(said) < 100:  # noqa: PLR2004
            said.add(line)
            say(f"{what}: {line}")

    return tell
