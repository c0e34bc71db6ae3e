"""The packets of `sipsensor bench` are what they are said to be: the engine reads them as lawful, and trusts who registers with them."""

from __future__ import annotations

from pathlib import Path

from sipsensor.bench import traffic
from sipsensor.bench.offline import engine_for
from sipsensor.bench.traffic import LINK_RAW, SOURCES, Phone
from sipsensor.config.load import defaults
from sipsensor.model import Arrival, Packet, Standing
from sipsensor.sources.pcap import Capture, packets
from tests.support.scanning import frame


def test_phones_have_addresses_ports_names_and_nonces_of_their_own() -> None:
    phones = [Phone(number) for number in range(SOURCES)]
    for name in ("address", "port", "account", "nonce"):
        assert len({getattr(phone, name) for phone in phones}) == SOURCES


def test_every_message_is_well_formed() -> None:
    phone = Phone(7)
    for payload in (phone.register(1), phone.register(2, credentials=True), phone.challenge(1), phone.accept(2)):
        examined = frame(traffic.inbound(phone, payload))
        assert examined.payload == payload
        assert examined.anomalies == 0


def test_no_two_strangers_requests_are_the_same_transaction() -> None:
    made = traffic.strangers(3 * SOURCES)
    assert len({payload for _, payload in made}) == 3 * SOURCES
    assert len({phone.address for phone, _ in made}) == SOURCES


def test_who_registers_is_trusted() -> None:
    engine, phone = engine_for(defaults()), Phone(3)
    steps = (*phone.registers(1), (Arrival.INBOUND, traffic.inbound(phone, phone.register(3, 3, credentials=True))))
    made = [
        engine.process(Packet(10**18 + n, data, LINK_RAW, arrival=arrival)) for n, (arrival, data) in enumerate(steps)
    ]
    decision = made[-1]
    assert decision.observation is not None
    assert decision.observation.standing == Standing.TRUSTED


def test_the_capture_is_four_fifths_media(tmp_path: Path) -> None:
    traffic.capture(tmp_path / "a.pcap", 500)
    found = [packet for batch in Capture(tmp_path / "a.pcap").batches() for packet in packets(batch)]
    assert len(found) == 500
    assert sum(b"REGISTER sip:" in packet.data for packet in found) == 100
    times = [packet.ts for packet in found]
    assert times == sorted(times)
    assert times[-1] - times[0] == 499 * 200_000
