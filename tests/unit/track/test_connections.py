from __future__ import annotations

import itertools
import random

import pytest

from sipsensor.fastpath.examined import Examined
from sipsensor.model import NANOSECONDS, Arrival, Decision, Observation, Packet, Standing
from sipsensor.track.challenges import Proof
from sipsensor.track.connections import HANDSHAKE_SECONDS, IDLE_SECONDS, WINDOW, Connections
from tests.support.engines import Watcher, engine
from tests.support.packets import (
    LINK_RAW,
    PBX,
    PBX6,
    STRANGER,
    STRANGER6,
    TCP,
    ipv4,
    ipv6,
    message,
    response,
    tcp,
)
from tests.support.scanning import PLAIN

FIN, SYN, RST, ACK, PUSH = 1, 2, 4, 16, 24
SERVER, CLIENT = 4_000_000_000, 77
"""Initial sequence numbers."""
PORT = 40_000


def around(payload: bytes, sequence: int, acknowledged: int, flags: int, *, out: bool, six: bool = False) -> bytes:
    sport, dport = (5060, PORT) if out else (PORT, 5060)
    body = tcp(payload, sport, dport, sequence=sequence % 2**32, acknowledged=acknowledged % 2**32, flags=flags)
    ends = (STRANGER6, PBX6) if six else (STRANGER, PBX)
    src, dst = reversed(ends) if out else ends
    return ipv6(body, src, dst, next_header=TCP) if six else ipv4(body, src, dst, protocol=TCP)


class Wire:
    """A table and the segments of one connection."""

    def __init__(self, server: int = SERVER, *, six: bool = False) -> None:
        self.one = Connections(64)
        self.server, self.six = server, six
        self.now = 0.0

    def made(self, payload: bytes, sequence: int, acknowledged: int, flags: int, *, out: bool) -> Examined:
        packet = around(payload, sequence, acknowledged, flags, out=out, six=self.six)
        return PLAIN.examine_raw(packet, LINK_RAW, int(self.now * NANOSECONDS))

    def left(self, payload: bytes = b"", sequence: int = 1, acknowledged: int = 1, flags: int = ACK) -> None:
        """The PBX sends; numbers count from the initial ones."""
        self.one.left(self.made(payload, self.server + sequence, CLIENT + acknowledged, flags, out=True))

    def came(self, sequence: int = 1, acknowledged: int = 1, flags: int = ACK, payload: bytes = b"") -> bool:
        """The other side does; whether that segment is proven."""
        examined = self.made(payload, CLIENT + sequence, self.server + acknowledged, flags, out=False)
        self.one.came(examined)
        return self.one.proves(examined)

    def shake(self) -> None:
        self.left(sequence=0, flags=SYN | ACK)
        assert self.came()


@pytest.mark.parametrize("six", [False, True])
@pytest.mark.parametrize("server", [SERVER, 2**32 - 1, 2**32 - 5, 0])
def test_who_acknowledges_the_syn_ack_is_proven(server: int, *, six: bool) -> None:
    wire = Wire(server, six=six)
    assert not wire.came()
    wire.left(sequence=0, flags=SYN | ACK)
    assert wire.came()
    assert wire.came(payload=b"x" * 300, flags=PUSH)


@pytest.mark.parametrize(("sequence", "acknowledged", "flags"), [
    (1, 2, ACK), (1, 0, ACK), (2, 1, ACK), (1, 1, ACK | RST), (1, 1, ACK | SYN), (1, 1, 0), (0, 0, SYN),
])  # fmt: skip
def test_nothing_else_finishes_it(sequence: int, acknowledged: int, flags: int) -> None:
    wire = Wire()
    wire.left(sequence=0, flags=SYN | ACK)
    assert not wire.came(sequence, acknowledged, flags)
    assert not wire.one.proves(wire.made(b"", CLIENT + 1, SERVER + 1, ACK, out=False))
    assert wire.came()


def test_a_connection_whose_start_was_not_seen_proves_nothing() -> None:
    wire = Wire()
    wire.left(b"x" * 100)
    assert not wire.came(1, 101)
    wire.left(sequence=0, flags=SYN)
    assert not wire.came()


def test_data_moves_the_windows_and_only_the_pbx_does() -> None:
    wire = Wire()
    wire.shake()
    assert wire.came(1 + WINDOW - 1)
    assert not wire.came(1 + WINDOW + 1)
    assert not wire.came(1, 2)
    wire.left(b"x" * 500, acknowledged=1 + WINDOW)
    assert wire.came(1 + WINDOW + 1, 501)
    assert wire.came(1 + WINDOW + 1, 1)
    assert not wire.came(1 + WINDOW + 1, 502)
    assert not wire.came(1 + WINDOW + 1, 0)


def test_an_old_acknowledgment_falls_out_of_the_window() -> None:
    wire = Wire()
    wire.shake()
    for start in range(0, 4 * WINDOW, 1000):
        wire.left(b"x" * 1000, 1 + start)
    assert not wire.came(1, 1)
    assert wire.came(1, start + 1001)
    assert wire.came(1, start + 1001 - WINDOW + 1)
    assert not wire.came(1, start + 1001 - WINDOW)


def test_a_syn_ack_that_is_sent_again_changes_nothing() -> None:
    wire = Wire()
    wire.shake()
    wire.left(sequence=0, flags=SYN | ACK)
    assert wire.came()


def test_a_new_connection_of_the_same_ends_begins_anew() -> None:
    wire = Wire()
    wire.shake()
    wire.server += 1_000_000
    wire.left(sequence=0, flags=SYN | ACK)
    assert not wire.came(1, 2)
    assert wire.came()


@pytest.mark.parametrize("flags", [FIN | ACK, RST, RST | ACK])
def test_it_ends_when_the_pbx_ends_it(flags: int) -> None:
    wire = Wire()
    wire.shake()
    wire.left(flags=flags)
    assert not wire.came()


def test_the_answer_to_a_forged_acknowledgment_ends_nothing() -> None:
    wire = Wire()
    wire.left(sequence=0, flags=SYN | ACK)
    wire.left(sequence=1_234_567, flags=RST)
    assert wire.came()


def test_a_forged_reset_or_end_from_outside_ends_nothing() -> None:
    wire = Wire()
    wire.shake()
    wire.came(flags=RST)
    wire.came(flags=FIN | ACK)
    assert wire.came()


def test_handshakes_and_idle_connections_age() -> None:
    wire = Wire()
    wire.left(sequence=0, flags=SYN | ACK)
    wire.now = HANDSHAKE_SECONDS
    assert not wire.came()
    wire.shake()
    wire.now += IDLE_SECONDS - 1
    assert wire.came()
    wire.left(b"\r\n")
    wire.now += IDLE_SECONDS - 1
    assert wire.came(1, 3)
    wire.now += 1
    assert not wire.came(1, 3)


def test_a_flood_of_handshakes_leaves_the_finished_ones() -> None:
    wire = Wire()
    wire.shake()
    for number in range(2000):
        body = tcp(b"", 5060, number + 1, sequence=number, acknowledged=1, flags=SYN | ACK)
        wire.one.left(PLAIN.examine_raw(ipv4(body, PBX, "198.51.100.7", protocol=TCP), LINK_RAW, 0))
    assert wire.came()
    (table,) = wire.one.tables()
    assert (table.name, table.entries, table.capacity) == ("connections", 64, 64)


def test_a_hundred_thousand_forged_segments_are_none_of_it() -> None:
    """With the ends known and nothing else: none of the handshake, none of the connection."""
    chance = random.Random(5)
    wire = Wire()
    wire.left(sequence=0, flags=SYN | ACK)
    pairs = [(chance.getrandbits(32), chance.getrandbits(32)) for _ in range(50_000)]
    assert not any(wire.came(*pair, payload=b"x") for pair in pairs)
    assert wire.came()
    wire.left(b"x" * 5000)
    assert not any(wire.came(*pair, payload=b"x") for pair in pairs)


# --- through the engine


class Line:
    """A phone over TCP, and what detectors saw of it."""

    def __init__(
        self, *, arrival: bool = False, protected: tuple[str, ...] = (PBX, PBX6), proxies: tuple[str, ...] = ()
    ) -> None:
        self.watcher = Watcher()
        self.engine = engine(self.watcher, protected=protected, proxies=proxies)
        self.arrival = arrival
        self.sent, self.received = 1, 1
        self.numbers = itertools.count(1)

    def process(self, payload: bytes, flags: int, *, out: bool, sequence: int, acknowledged: int) -> Decision:
        arrival = (Arrival.OUTBOUND if out else Arrival.INBOUND) if self.arrival else Arrival.UNKNOWN
        packet = around(payload, sequence, acknowledged, flags, out=out)
        return self.engine.process(Packet(NANOSECONDS, packet, LINK_RAW, 1, None, arrival))

    def shake(self) -> None:
        self.process(b"", SYN, out=False, sequence=CLIENT, acknowledged=0)
        self.process(b"", SYN | ACK, out=True, sequence=SERVER, acknowledged=CLIENT + 1)
        self.process(b"", ACK, out=False, sequence=CLIENT + 1, acknowledged=SERVER + 1)

    def ask(self, payload: bytes) -> Observation:
        self.process(payload, PUSH, out=False, sequence=CLIENT + self.sent, acknowledged=SERVER + self.received)
        self.sent += len(payload)
        return self.watcher.seen[-1]

    def answer(self, payload: bytes) -> Observation:
        self.process(payload, PUSH, out=True, sequence=SERVER + self.received, acknowledged=CLIENT + self.sent)
        self.received += len(payload)
        return self.watcher.seen[-1]


def register(number: int, nonce: str = "") -> bytes:
    extra = [("Contact", "<sip:x@203.0.113.9>"), ("Expires", "300")]
    if nonce:
        text = f'Digest username="201", realm="pbx", nonce="{nonce}", uri="sip:pbx", response="{number:032x}"'
        extra.append(("Authorization", text))
    return message("REGISTER", "sip:pbx", change=head(number), extra=extra)


def head(number: int) -> dict[str, str | None]:
    user = "<sip:201@pbx>"
    return {
        "CSeq": f"{number} REGISTER",
        "Via": f"SIP/2.0/TCP 10.0.0.1;branch=z9hG4bK{number}",
        "From": user,
        "To": user,
    }


def accepted(number: int) -> bytes:
    change: dict[str, str | None] = {**head(number), "To": "<sip:201@pbx>;tag=pbx"}
    return response(200, "OK", change=change, extra=[("Contact", "<sip:x@203.0.113.9>;expires=300")])


@pytest.mark.parametrize("arrival", [False, True])
def test_credentials_on_a_finished_handshake_are_his_own(*, arrival: bool) -> None:
    line = Line(arrival=arrival)
    line.shake()
    seen = line.ask(register(1))
    assert (seen.connected, seen.standing, seen.proof) == (True, Standing.PROVEN, Proof.NONE)
    seen = line.ask(register(2, "from elsewhere"))
    assert (seen.connected, seen.standing, seen.proof) == (True, Standing.PROVEN, Proof.OWN)


def test_where_no_address_is_known_a_syn_ack_is_a_servers() -> None:
    line = Line(protected=())
    line.shake()
    assert line.ask(register(1)).connected


def test_without_the_handshake_he_is_a_stranger() -> None:
    seen = Line().ask(register(1, "from elsewhere"))
    assert (seen.connected, seen.standing, seen.proof) == (False, Standing.STRANGER, Proof.NONE)


def test_the_connection_of_a_proxy_proves_none_of_its_clients() -> None:
    line = Line(proxies=(STRANGER,))
    line.shake()
    vias = [("Via", f"SIP/2.0/TCP {STRANGER};branch=z9hG4bKp"), ("Via", "SIP/2.0/UDP 198.51.100.9;branch=z9hG4bKc")]
    rest = [
        ("From", "<sip:a@x>;tag=1"),
        ("To", "<sip:b@x>"),
        ("Call-ID", "c"),
        ("CSeq", "1 OPTIONS"),
        ("Content-Length", "0"),
    ]
    seen = line.ask(message(headers=[*vias, *rest]))
    assert seen.end.behind
    assert not seen.connected


def test_every_message_of_a_segment_counts() -> None:
    line = Line()
    line.shake()
    line.ask(register(1) + register(2))
    assert [seen.connected for seen in line.watcher.seen] == [True, True]


def test_anothers_nonce_makes_nobody_trusted() -> None:
    line = Line()
    line.shake()
    line.ask(register(1, "from elsewhere"))
    answer = line.answer(accepted(1))
    assert answer.request is not None
    assert answer.grant is None
    assert line.ask(register(2)).standing == Standing.PROVEN


def test_his_own_nonce_does() -> None:
    line = Line()
    line.shake()
    line.ask(register(1))
    line.answer(response(401, "x", change=head(1), extra=[("WWW-Authenticate", 'Digest realm="pbx", nonce="mine"')]))
    line.ask(register(2, "mine"))
    assert line.answer(accepted(2)).grant is not None
    assert line.ask(register(3)).standing == Standing.TRUSTED


def test_segments_without_a_message_are_not_ours() -> None:
    line = Line()
    line.shake()
    assert line.engine.counters.errors == 0
    assert not line.watcher.seen
