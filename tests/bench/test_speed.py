"""What a packet costs: examine, judge, replay. `make bench` prints the figures; nothing here asserts a time, because machines differ.

Each group holds what to compare with, measured in the same run: splitting the head in plain Python, and reading the file without judging it.
"""

from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from scapy.layers.inet import IP, UDP
from scapy.packet import Raw
from scapy.utils import RawPcapWriter

from sipsensor.app import Replay, build_engine
from sipsensor.config.load import defaults
from sipsensor.engine import Engine
from sipsensor.fastpath.examine import Examined
from sipsensor.model import NANOSECONDS, Mode, Packet
from sipsensor.sources.pcap import Capture

LINK_RAW = 101
PACKETS = 20_000
MINUTE = 60 * NANOSECONDS

REGISTER = (
    "REGISTER sip:pbx.example.com SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 192.168.1.20:5060;branch=z9hG4bK-524287-1---{number:016x};rport\r\n"
    "Max-Forwards: 70\r\n"
    "Contact: <sip:{user}@192.168.1.20:5060;ob>\r\n"
    'To: "Alice" <sip:{user}@pbx.example.com>\r\n'
    'From: "Alice" <sip:{user}@pbx.example.com>;tag=9fxced76sl\r\n'
    "Call-ID: 84720NzA3YjA1ZmQ1ZDU0{number}\r\n"
    "CSeq: 2 REGISTER\r\n"
    "Expires: 300\r\n"
    "Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, INFO, MESSAGE\r\n"
    "Supported: replaces, path\r\n"
    "User-Agent: Z 5.4.12 v2.10.11.7\r\n"
    'Authorization: Digest username="{user}",realm="pbx.example.com",nonce="1600000000:abcd",uri="sip:pbx.example.com",'
    'response="0123456789abcdef0123456789abcdef",algorithm=MD5\r\n'
    "Allow-Events: presence, kpml, talk\r\n"
    "Content-Length: 0\r\n\r\n"
)


def register(number: int) -> bytes:
    text = REGISTER.format(number=number, user=200 + number % 5000)
    source = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    return bytes(IP(src=source, dst="192.0.2.1") / UDP(sport=5060, dport=5060) / Raw(text))


def media() -> bytes:
    return bytes(IP(src="10.0.0.1", dst="192.0.2.1") / UDP(sport=10_000, dport=20_000) / Raw(b"\x80\x00" + bytes(170)))


@pytest.fixture(scope="module")
def packets() -> list[Packet]:
    return [Packet(number * 20_000_000, register(number), LINK_RAW, number + 1) for number in range(2_000)]


@pytest.fixture
def engine() -> Engine:
    return build_engine(defaults(), mode=Mode.ENFORCE, protected=["192.0.2.1"])


def write(path: Path, makers: list[bytes]) -> Path:
    with RawPcapWriter(str(path), linktype=LINK_RAW) as writer:
        writer.write_header(None)
        for number in range(PACKETS):
            writer.write_packet(makers[number % len(makers)], sec=number // 50, usec=0)
    return path


@pytest.mark.benchmark(group="one packet")
def test_examine(benchmark: BenchmarkFixture, engine: Engine, packets: list[Packet]) -> None:
    packet = packets[0]
    examined = benchmark(engine.examiner.examine, packet)
    assert isinstance(examined, Examined)
    assert not examined.hits


@pytest.mark.benchmark(group="one packet")
def test_process(benchmark: BenchmarkFixture, engine: Engine, packets: list[Packet]) -> None:
    """A stranger's clean REGISTER, each from another source, with every detector on; so far apart that no budget is spent."""
    turn = iter(range(10**9))

    def next_packet() -> tuple[tuple[Packet], dict[str, object]]:
        number = next(turn)
        return (Packet(number * MINUTE, packets[number % len(packets)].data, LINK_RAW, number + 1),), {}

    decision = benchmark.pedantic(engine.process, setup=next_packet, rounds=20_000)
    assert not decision.verdict


@pytest.mark.benchmark(group="one packet")
def test_head_split_in_python(benchmark: BenchmarkFixture, packets: list[Packet]) -> None:
    """The floor of plain Python: lines split at their colons into a dictionary, nothing else."""
    payload = packets[0].data[28:]

    def split() -> dict[bytes, bytes]:
        head, _, _ = payload.partition(b"\r\n\r\n")
        fields = (line.partition(b":") for line in head.split(b"\r\n")[1:])
        return {name.lower(): value.strip() for name, _, value in fields}

    assert benchmark(split)[b"call-id"].startswith(b"84720")


def read_only(path: Path, _engine: Engine) -> int:
    return sum(batch.size for batch in Capture(path).batches())


def replay(path: Path, engine: Engine) -> int:
    """With an engine that is there already: compiling the signatures once would count as much as 20,000 packets."""
    run = Replay(lambda: engine)
    run.run([path])
    return run.summary.packets


@pytest.mark.benchmark(group="a file of 20,000 packets")
@pytest.mark.parametrize("kind", ["sip", "media"])
@pytest.mark.parametrize("what", [read_only, replay])
def test_file(benchmark: BenchmarkFixture, engine: Engine, tmp_path: Path, kind: str, what: object) -> None:
    made = [register(number) for number in range(2_000)] if kind == "sip" else [media()]
    path = write(tmp_path / f"{kind}.pcap", made)
    assert callable(what)
    assert benchmark(what, path, engine) == PACKETS
