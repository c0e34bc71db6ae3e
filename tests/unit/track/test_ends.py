import pytest

from sipsensor.fastpath.examined import Examined
from sipsensor.fastpath.ranges import Networks
from sipsensor.fastpath.tables import keyed_hash
from sipsensor.model import Action, Packet, Scope
from sipsensor.track.challenges import Proof
from sipsensor.track.ends import Ends
from tests.support.engines import Watcher, always, engine, rule
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
def test_a_via_that_names_no_address_is_nobodys(via: str) -> None:
    unknown(OWN, via)


def test_the_proxy_itself_is_itself() -> None:
    end = ENDS.of(request(OWN), False)
    assert (end.text, end.behind, end.carrier) == ((wide(PROXY), 5060), False, True)


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
    unknown(*([OWN] * 30), f"SIP/2.0/UDP {STRANGER}")
    assert client(*([OWN] * 7), f"SIP/2.0/UDP {STRANGER}") == (wide(STRANGER), 5060)


VICTIM = "198.51.100.1"


def unknown(*vias: str) -> None:
    """Nobody in particular: neither a client with an address of his own nor the proxy."""
    end = ENDS.of(request(*vias), False)
    assert (end.text, end.behind, end.carrier) == ((wide(PROXY), 5060), True, True)
    assert end.port != ENDS.of(request(OWN), False).port


@pytest.mark.parametrize(
    "via",
    [
        f"SIP/2.0/UDP {VICTIM};received={STRANGER};received={VICTIM}",
        f"SIP/2.0/UDP {VICTIM};received={VICTIM};received={STRANGER}",
        f"SIP/2.0/UDP {STRANGER};rport=7000;rport=7001",
        f"SIP/2.0/UDP {VICTIM};x=(;received={STRANGER}",
        f'SIP/2.0/UDP {VICTIM};x=";received={STRANGER}',
        f'SIP/2.0/UDP x.example;received="{VICTIM}"',
        f"SIP/2.0/UDP {STRANGER}{';a=b' * 10_000};received={VICTIM}",
    ],
)
def test_a_via_that_can_be_read_in_two_ways_is_nobodys(via: str) -> None:
    unknown(OWN, via)


@pytest.mark.parametrize(
    "inside",
    [f", SIP/2.0/UDP {VICTIM}", f";received={VICTIM}", f'\\";received={VICTIM}', "(", f", SIP/2.0/UDP {INNER}, "],
)
def test_what_is_in_quotes_is_no_parameter(inside: str) -> None:
    assert client(OWN, f'SIP/2.0/UDP {VICTIM};x="{inside}";received={STRANGER};rport=7000') == (wide(STRANGER), 7000)


def test_a_client_who_calls_himself_a_proxy_is_the_one_that_the_proxy_saw() -> None:
    via = f"SIP/2.0/UDP {INNER};received={STRANGER}"
    assert client(OWN, via, f"SIP/2.0/UDP {VICTIM}") == (wide(STRANGER), 5060)


def test_the_same_said_twice_is_no_riddle() -> None:
    assert client(OWN, f"SIP/2.0/UDP x;received={STRANGER};RECEIVED={STRANGER}") == (wide(STRANGER), 5060)


def test_line_ends_that_hide_a_via_from_some_are_nobodys() -> None:
    unknown(OWN, f"SIP/2.0/UDP {STRANGER}\rVia: SIP/2.0/UDP {VICTIM}")


def test_what_the_pbx_asks_through_a_proxy_goes_to_the_proxy() -> None:
    """Further Vias are those of whom it asks for."""
    text = message(headers=headers(f"SIP/2.0/UDP {PBX}", f"SIP/2.0/UDP {STRANGER}"))
    asked = ENDS.of(PLAIN.examine_raw(datagram(text, PBX, PROXY), LINK_RAW, 0), True)
    answer = b"SIP/2.0 200 OK\r\n" + text.split(b"\r\n", 1)[1]
    came = ENDS.of(PLAIN.examine_raw(datagram(answer, PROXY, PBX), LINK_RAW, 0), False)
    assert (asked.port, asked.source, asked.address) == (came.port, came.source, came.address)
    assert (asked.text, asked.behind, asked.carrier) == ((wide(PROXY), 5060), False, True)


def test_a_nonce_through_a_proxy_is_its_clients() -> None:
    def through(method: str, number: int, who: str, extra: list[tuple[str, str]]) -> bytes:
        user = "<sip:201@pbx>"
        vias = [("Via", f"{OWN}{number}"), ("Via", f"SIP/2.0/UDP {who}:7000;branch=z9hG4bK{number}")]
        rest = [("From", user), ("To", user), ("Call-ID", f"{number}"), ("CSeq", f"{number} {method}")]
        return message(method, "sip:pbx", headers=[*vias, *rest, ("Content-Length", "0")], extra=extra)

    watcher = Watcher()
    one = engine(watcher, proxies=[PROXY])
    challenge = through("REGISTER", 1, STRANGER, [("WWW-Authenticate", 'Digest realm="pbx", nonce="n"')])
    challenge = b"SIP/2.0 401 x\r\n" + challenge.split(b"\r\n", 1)[1]
    one.process(Packet(0, datagram(challenge, PBX, PROXY), LINK_RAW))
    credentials = ("Authorization", 'Digest username="201", realm="pbx", nonce="n", uri="sip:pbx", response="1"')
    for number, who in enumerate((STRANGER, VICTIM), 2):
        one.process(Packet(0, datagram(through("REGISTER", number, who, [credentials]), PROXY, PBX), LINK_RAW))
    assert [seen.proof for seen in watcher.seen[1:]] == [Proof.OWN, Proof.OTHERS]


def test_neither_the_proxy_nor_the_nameless_behind_it_are_cut() -> None:
    one = engine(Watcher(always(rule(action=Action.DROP))), proxies=[PROXY])
    for vias in ((OWN,), (OWN, "SIP/2.0/UDP phone.example"), (OWN, f"SIP/2.0/UDP {STRANGER}")):
        made = one.process(Packet(0, datagram(message(headers=headers(*vias)), PROXY, PBX), LINK_RAW)).observation
        assert made is not None
        cuts = one.ledger.cut(made, Scope.SOURCE, rule())
        assert [cut.address for cut in cuts] == ([] if len(vias) == 1 or "phone" in vias[1] else [wide(STRANGER)])
        assert all(not held.kernel for _, held in one.ledger.cuts(0))
