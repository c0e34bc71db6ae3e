from sipsensor.counters import Counters
from sipsensor.model import AppProtocol, Mode, Packet, Reason
from tests.support.engines import Watcher, always, engine, rule
from tests.support.iax2 import PORT, full, mini, registers, trunk, video
from tests.support.packets import LINK_RAW, PBX, STRANGER, datagram, message, response, segment
from tests.support.site import Guest, site


def count(*packets: bytes, mode: Mode = Mode.ENFORCE) -> Counters:
    one = engine(Watcher(), mode=mode)
    for number, data in enumerate(packets):
        one.process(Packet(number, data, LINK_RAW, number))
    return one.counters


def test_packets_bytes_and_verdicts() -> None:
    one = engine(Watcher(always(rule())), mode=Mode.OBSERVE)
    sizes = []
    for data in (datagram(message()), datagram(b"\r\n"), b"junk"):
        sizes.append(len(data))
        one.process(Packet(0, data, LINK_RAW))
    counters = one.counters
    assert (counters.packets, counters.bytes, counters.accepted, counters.dropped) == (3, sum(sizes), 2, 1)
    assert counters.reasons[Reason.SIGNATURE] == 1
    assert counters.reasons[Reason.NOT_OURS] == 2
    assert Reason.NONE not in {reason for reason, count in counters.reasons.items() if count}
    assert counters.alerts == {"probe.test.rule": 1}


def test_messages_by_method_and_status_class() -> None:
    counters = count(
        datagram(message()),
        datagram(message("INVITE")),
        datagram(message("FUZZ")),
        datagram(response(100, "Trying"), PBX, STRANGER),
        datagram(response(486, "Busy"), PBX, STRANGER),
        datagram(response(401, "Unauthorized")),
        datagram(b"OPTIONS"),
    )
    found = {(protocol, name): number for protocol, name, number in counters.by_what() if number}
    of_sip = {"OPTIONS": 1, "INVITE": 1, "other": 1, "1xx": 1, "4xx": 2}
    assert found == {("sip", name): number for name, number in of_sip.items()}
    assert (counters.sip_messages, counters.iax2_frames, counters.malformed) == (6, 0, 1)
    assert (counters.malformed_of(AppProtocol.SIP), counters.malformed_of(AppProtocol.IAX2)) == (1, 0)


def test_frames_by_subclass() -> None:
    frames = [
        registers(),
        full("NEW"),
        full("NEW"),
        full(99),
        full(4, kind=4),
        mini(5),
        video(5),
        trunk([(5, b"x")]),
        full(2, kind=2),
        registers() + b"x",
    ]
    counters = count(*(datagram(frame, sport=40_000, dport=PORT) for frame in frames))
    found = {(protocol, name): number for protocol, name, number in counters.by_what() if number}
    of_iax2 = {"REGREQ": 1, "NEW": 2, "media": 4, "other": 2}
    assert found == {("iax2", name): number for name, number in of_iax2.items()}
    assert (counters.sip_messages, counters.iax2_frames, counters.malformed) == (0, 9, 1)
    assert (counters.malformed_of(AppProtocol.SIP), counters.malformed_of(AppProtocol.IAX2)) == (0, 1)


def test_every_message_of_a_packet_counts() -> None:
    counters = count(datagram(message() + message("BYE")))
    assert (counters.packets, counters.sip_messages) == (1, 2)


def test_anomalies_are_counted_by_name() -> None:
    counters = count(datagram(message(end="\n")), datagram(message("FUZZ", end="\n")), datagram(message()))
    assert {name: number for name, number in counters.anomalies.items() if number} == {
        "bare-lf": 2,
        "unknown-method": 1,
    }


def test_segments_and_cut_messages() -> None:
    counters = count(segment(message()), segment(b""), segment(b"junk"), datagram(message())[:-10])
    assert (counters.unassembled_tcp, counters.truncated) == (2, 1)


def test_cuts_and_who_became_trusted() -> None:
    one = site()
    assert one.register(Guest("300", src="198.51.100.7")).reached
    for _ in range(15):
        one.register(Guest("300", src="198.51.100.7", port=7000), right=False)
    counters = one.engine.counters
    assert (counters.grants, counters.cuts) == (1, {"guessing.account.source": 1})
    one.now += 60
    assert one.register(Guest("300", src="198.51.100.7", port=7000)).reached
    assert (counters.grants, counters.uncuts) == (2, 1)
