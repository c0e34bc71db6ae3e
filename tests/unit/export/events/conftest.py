"""Packets judged by the real engine, because an event is made of what the engine says."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sipsensor.app import build_engine, load_signatures
from sipsensor.config.load import defaults, parse
from sipsensor.engine import Engine
from sipsensor.fastpath.examine import Examined
from sipsensor.model import Decision, Mode, Packet
from sipsensor.signatures import SignatureSet
from tests.support.packets import LINK_RAW, PBX, datagram

Judge = Callable[..., tuple[Examined, Decision]]
TS = 1_700_000_000_123_456_789


@pytest.fixture(scope="session")
def signatures() -> SignatureSet:
    return load_signatures(defaults())


@pytest.fixture
def engine(signatures: SignatureSet) -> Engine:
    return build_engine(defaults(), mode=Mode.ENFORCE, protected=[PBX], seed=bytes(16), signatures=signatures)


@pytest.fixture
def judge(engine: Engine, signatures: SignatureSet) -> Judge:
    """Examined and decision of one payload; ``settings`` is a configuration file's text."""

    def judge(
        payload: bytes,
        number: int = 7,
        *,
        settings: str | None = None,
        mode: Mode = Mode.ENFORCE,
        src: str | None = None,
    ) -> tuple[Examined, Decision]:
        own = engine
        if settings is not None or mode is not Mode.ENFORCE:
            own = build_engine(
                parse(settings or "", "test"), mode=mode, protected=[PBX], seed=bytes(16), signatures=signatures
            )
        packet = datagram(payload) if src is None else datagram(payload, src)
        examined = own.examiner.examine(Packet(TS, packet, LINK_RAW, number))
        return examined, own.judge(examined)

    return judge
