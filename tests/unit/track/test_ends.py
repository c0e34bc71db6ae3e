import pytest

from sipsensor.fastpath.examined import Examined
from sipsensor.fastpath.tables import Networks, keyed_hash
from sipsensor.track.ends import Ends
from tests.support.packets import HEADERS, LINK_RAW, PBX, STRANGER, STRANGER6, datagram, message, response, wide
from tests.support.scanning import PLAIN, SEED

PROXY, INNER = "192.0.2.20", "192.0.2.21"
ENDS = Ends(Networks([PROXY, INNER]))
OWN = f"SIP/2.0/UDP {PROXY};branch=z9hG4bKp"


def headers(*vias: str) -> list[tuple[str, str]]:
    return [*(("Via", via) for via in vias), *HEADERS[1:]]


def request(*vias: str, src: str = PROXY) -> Examined:
    text = message(headers=headers(*vias))
    return PLAIN.examine_raw(datagram(text, src, PBX if "." in src else "2001:db8::10"), LINK_RAW, 0)


def client(*vias: str) -> tuple[bytes, int]:
    end = ENDS.of(request(*vias), False)
    return end.text


def test_without_proxies_the_end_is_the_packets() -> None:
    examined = request(OWN, src=STRANGER)
    end = Ends().of(examined, False)
    assert end.text == (wide(STRANGER), 5060)
    assert end.source == end.address == keyed_hash(SEED, wide(STRANGER))
    assert end.port == examined.port_key(False)
    assert not end.behind


def test_an_ipv6_source_is_its_64() -> None:
    end = Ends().of(request(OWN, src=STRANGER6), False)
    assert end.source == keyed_hash(SEED, wide(STRANGER6)[:8])
    assert end.address == keyed_hash(SEED, wide(STRANGER6))


def test_who_goes_out_is_the_destination() -> None:
    examined = PLAIN.examine_raw(datagram(response(), PBX, STRANGER, 5060, 7777), LINK_RAW, 0)
    assert Ends().of(examined, True).text == (wide(STRANGER), 7777)


def test_behind_a_proxy_the_client_is_the_via_below() -> None:
    end = ENDS.of(request(OWN, f"SIP/2.0/UDP {STRANGER}:7000;branch=z9hG4bKc"), False)
    assert (end.text, end.behind) == ((wide(STRANGER), 7000), True)
    assert end.source == keyed_hash(SEED, wide(STRANGER))
    direct = Ends().of(PLAIN.examine_raw(datagram(message(), STRANGER, PBX, 7000), LINK_RAW, 0), False)
    assert (end.source, end.address) == (direct.source, direct.address)
    assert end.port != ENDS.of(request(OWN, f"SIP/2.0/UDP {STRANGER}:7001;branch=z9hG4bKc"), False).port


@pytest.mark.parametrize(
    ("via", "address", "port"),
    [
        ("SIP/2.0/UDP 10.0.0.5;branch=x;received=203.0.113.9;rport=4444", STRANGER, 4444),
        ("SIP/2.0/UDP 10.0.0.5:5062;branch=x;received=203.0.113.9", STRANGER, 5062),
        ("SIP/2.0/UDP 203.0.113.9", STRANGER, 5060),
        ("SIP/2.0/UDP 203.0.113.9;rport", STRANGER, 5060),
        ("SIP / 2.0 / UDP 203.0.113.9 ; Received = 203.0.113.8", "203.0.113.8", 5060),
        ("SIP/2.0/UDP [2001:db8:9::9]:5070;branch=x", STRANGER6, 5070),
        ("SIP/2.0/UDP x.example;received=[2001:db8:9::9]", STRANGER6, 5060),
        ("SIP/2.0/UDP x.example;received=2001:db8:9::9;rport=99", STRANGER6, 99),
        ("SIP/2.0/UDP 203.0.113.9:999999", STRANGER, 5060),
        ("SIP/2.0/UDP 203.0.113.9;rport=abc", STRANGER, 5060),
    ],
)
def test_a_via_tells_address_and_port_as_the_proxy_saw_them(via: str, address: str, port: int) -> None:
    assert client(OWN, via) == (wide(address), port)


def test_several_vias_in_one_line_count_as_several() -> None:
    assert client(f"{OWN}, SIP/2.0/UDP {STRANGER}:7000") == (wide(STRANGER), 7000)


def test_a_proxy_behind_a_proxy_is_skipped() -> None:
    assert client(OWN, f"SIP/2.0/UDP {INNER};branch=y", f"SIP/2.0/UDP {STRANGER}:7000") == (wide(STRANGER), 7000)


def test_what_the_client_wrote_below_his_own_via_is_not_believed() -> None:
    assert client(OWN, f"SIP/2.0/UDP {STRANGER}", "SIP/2.0/UDP 198.51.100.1") == (wide(STRANGER), 5060)


@pytest.mark.parametrize("via", ["SIP/2.0/UDP phone.example", "SIP/2.0/UDP", "", "SIP/2.0/UDP [zz", "\x00", "a b c"])
def test_a_via_that_names_no_address_leaves_the_proxy(via: str) -> None:
    end = ENDS.of(request(OWN, via), False)
    assert (end.text, end.behind) == ((wide(PROXY), 5060), False)


def test_the_proxy_itself_is_itself() -> None:
    assert not ENDS.of(request(OWN), False).behind


def test_a_stranger_who_writes_a_second_via_is_himself() -> None:
    end = ENDS.of(request(OWN, "SIP/2.0/UDP 198.51.100.1", src=STRANGER), False)
    assert (end.text, end.behind) == ((wide(STRANGER), 5060), False)


def test_an_answer_goes_to_the_client_too() -> None:
    head = message(headers=headers(OWN, f"SIP/2.0/UDP {STRANGER}:7000")).split(b"\r\n", 1)[1]
    text = b"SIP/2.0 200 OK\r\n" + head
    examined = PLAIN.examine_raw(datagram(text, PBX, PROXY), LINK_RAW, 0)
    end = ENDS.of(examined, True)
    assert (end.text, end.behind) == ((wide(STRANGER), 7000), True)
    assert end.port == ENDS.of(request(OWN, f"SIP/2.0/UDP {STRANGER}:7000"), False).port


def test_a_flood_of_vias_is_read_to_a_depth() -> None:
    assert not ENDS.of(request(*([OWN] * 30), f"SIP/2.0/UDP {STRANGER}"), False).behind
