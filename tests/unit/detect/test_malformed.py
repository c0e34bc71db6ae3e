"""Each rule has the smallest message that fires it and the near miss beside it; lawful messages of RFC 4475 are never dropped."""

from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import pytest

from sipsensor.detect.malformed import MalformedSettings, MalformedShapes
from sipsensor.model import Action, Confidence, Decision, Packet, Reason, Verdict
from tests.support.engines import engine
from tests.support.packets import LINK_RAW, PBX, PBX6, STRANGER, STRANGER6, datagram, message, response, segment
from tests.support.site import Guest, site

RULES = {rule.slug: rule for rule in MalformedShapes.rules}
TEXT = message()
UA = b"User-Agent: Z 5.4.12 v2.10.11.7\r\n"


def with_ua(line: bytes) -> bytes:
    return TEXT.replace(UA, line)


def with_maddr(value: str, rest: str = "") -> bytes:
    return message(change={"Via": f"SIP/2.0/UDP {STRANGER}:5060;branch=z9hG4bK7;maddr={value}{rest}"})


SHAPES = {
    "malformed.start-line.broken": (b"REGISTER sip:a", b"REGISTER sip:a SIP/2.0\r\nl:0\r\n\r\n"),
    "malformed.start-line.status-code": (b"SIP/2.0 20\r\nl:0\r\n\r\n", b"SIP/2.0 200\r\nl:0\r\n\r\n"),
    "malformed.head.empty": (b"REGISTER sip:a SIP/2.0\r\n\r\n", b"REGISTER sip:a SIP/2.0\r\nl:0\r\n\r\n"),
    "malformed.head.too-many-headers": (message(extra=[("X", "y")] * 249), message(extra=[("X", "y")] * 248)),
    "malformed.head.nul": (with_ua(b"User-Agent: a\0b\r\n"), message(change={"From": '"NUL:\\\0" <sip:a@b>;tag=1'})),
    "malformed.header.control-before-colon": (with_ua(b"User-Agent\x0b: a\r\n"), with_ua(b"User-Agent\t : a\r\n")),
    "malformed.content-length.impossible": (message(change={"Content-Length": "-1"}), message(change={"Content-Length": "007"}, body=b"v=0\r\n..")),
    "malformed.content-length.long": (message(change={"Content-Length": "1"}), message(change={"Content-Length": "0"})),
    "malformed.via.unreadable": (message(change={"Via": "SIP/2.0/UDP"}), message(change={"Via": "SIP/2.0/UDP a"})),
    "malformed.uri.escape": (message(uri="sip:a%4@b"), message(uri="sip:a%40@b")),
    "malformed.start-line.long": (message(uri="sip:" + "a" * 2040), message(uri="sip:" + "a" * 2028)),
    "malformed.start-line.parts": (TEXT.replace(b" sip:bob@example.com", b"", 1), TEXT),
    "malformed.head.many-headers": (message(extra=[("X", "y")] * 57), message(extra=[("X", "y")] * 56)),
    "malformed.cseq.bad": (message(change={"CSeq": "2147483648 OPTIONS"}), message(change={"CSeq": "2147483647 OPTIONS"})),
    "malformed.body.following-message": (TEXT + TEXT, message(body=TEXT)),
    "malformed.start-line.version": (TEXT.replace(b"SIP/2.0\r", b"SIP/3.0\r", 1), TEXT.replace(b"SIP/2.0\r", b"sip/2.0\r", 1)),
    "malformed.to.duplicate": (message(extra=[("t", "<sip:a@b>")]), TEXT),
    "malformed.header.duplicate": (message(extra=[("f", "<sip:a@b>")]), TEXT),
    "malformed.header.missing": (message(change={"Call-ID": None}), TEXT),
    "evasion.line-ends.ambiguous": (with_ua(b"User-Agent: a\rX: b\r\n"), message(end="\n")),
    "evasion.via.maddr": (with_maddr("198.51.100.1"), with_maddr(STRANGER)),
    "evasion.header.fold-before-colon": (with_ua(b"User-Agent\r\n : a\r\n"), with_ua(b"User-Agent:\r\n a\r\n")),
}  # fmt: skip


def judge(payload: bytes, src: str = STRANGER, dst: str = PBX) -> Decision:
    return engine(MalformedShapes(MalformedSettings())).process(Packet(0, datagram(payload, src, dst), LINK_RAW))


def fired(payload: bytes) -> set[str]:
    return {alert.rule.slug for alert in judge(payload).alerts}


def test_every_rule_has_its_shape() -> None:
    assert set(SHAPES) == set(RULES)


@pytest.mark.parametrize("slug", SHAPES)
def test_the_smallest_message_fires_the_rule(slug: str) -> None:
    decision = judge(SHAPES[slug][0])
    alerts = {alert.rule.slug: alert for alert in decision.alerts}
    assert slug in alerts
    assert alerts[slug].evidence["shape"]
    high = RULES[slug].confidence is Confidence.HIGH
    assert RULES[slug].action is (Action.DROP if high else Action.ALERT)
    if high:
        assert (decision.verdict, decision.reason) == (Verdict.DROP, Reason.MALFORMED)


@pytest.mark.parametrize("slug", SHAPES)
def test_the_near_miss_does_not(slug: str) -> None:
    assert slug not in fired(SHAPES[slug][1])


def test_an_ordinary_message_fires_nothing() -> None:
    for text in (TEXT, message("INVITE", body=b"v=0\r\n"), message(end="\n"), message("FUZZ"), message("options")):
        assert fired(text) == set()


@pytest.mark.parametrize("slug", SHAPES)
def test_what_goes_out_is_not_judged(slug: str) -> None:
    assert judge(SHAPES[slug][0], PBX, STRANGER).alerts == ()


def test_responses_are_judged_on_their_way_in() -> None:
    broken = response().replace(b"314159 OPTIONS", b"x")
    assert judge(broken).verdict is Verdict.DROP
    assert judge(broken, PBX, STRANGER).verdict is Verdict.ACCEPT


def test_a_segment_is_not_judged_until_streams_are_put_together() -> None:
    one = engine(MalformedShapes(MalformedSettings()))
    for broken, _ in SHAPES.values():
        decision = one.process(Packet(0, segment(broken), LINK_RAW))
        assert (decision.verdict, decision.alerts) == (Verdict.ACCEPT, ())


def test_what_its_receiver_discards_does_not_cost_a_message_its_way() -> None:
    """RFC 3261 18.3: a datagram ends with its Content-Length."""
    for broken in (b"SIP/2.0 200 OK\r\n", b"OPTIONS sip:a SIP/2.0\r\nCSeq: x\r\n\r\n"):
        decision = judge(message(change={"Content-Length": "0"}) + broken)
        assert decision.verdict is Verdict.ACCEPT
        assert {alert.rule.slug for alert in decision.alerts} == {"malformed.body.following-message"}


def test_an_empty_content_length_is_odd_but_routed() -> None:
    decision = judge(message(change={"Content-Length": ""}))
    assert decision.verdict is Verdict.ACCEPT
    assert {alert.rule.slug for alert in decision.alerts} == {"malformed.content-length.long"}


@pytest.mark.parametrize("size", range(1, len(message("INVITE"))))
def test_a_capture_that_was_cut_is_no_reason_to_drop(size: int) -> None:
    decision = engine(MalformedShapes(MalformedSettings())).process(
        Packet(0, datagram(message("INVITE"))[: 28 + size], LINK_RAW)
    )
    assert decision.verdict is Verdict.ACCEPT


LAWFUL = ("wsinv", "intmeth", "esc01", "escnull", "lwsdisp", "longreq", "transports", "mpart01", "noreason")


@pytest.mark.parametrize("name", LAWFUL)
def test_lawful_messages_of_rfc_4475_are_not_dropped(name: str, shared_captures: Path) -> None:
    text = (shared_captures / "torture" / "rfc4475" / f"{name}.dat").read_bytes()
    decision = judge(text)
    assert decision.observation is not None
    assert decision.verdict is Verdict.ACCEPT


def built(first: str, *lines: str, body: str = "") -> bytes:
    return "\r\n".join([first, *lines, "", body]).encode()


COMMON = (
    "Max-Forwards: 8",
    "Call-ID: torture.1234@example.net",
    "CSeq: 8 INVITE",
    "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKkdjuw",
)

# After the descriptions of RFC 4475 3.1.1.5, 3.1.1.8, 3.1.1.10 and 3.1.1.13, in messages of our own.
ALSO_LAWFUL = {
    "esc02": built(
        "RE%47IST%45R sip:registrar.example.com SIP/2.0", 'To: "%Z%45" <sip:resource@example.com>', 'From: "%Z%45" <sip:resource@example.com>;tag=f',
        *COMMON[:2], "CSeq: 29344 RE%47IST%45R", COMMON[3], "l: 0",
    ),
    "semiuri": built(
        "OPTIONS sip:user;par=u%40example.net@example.com SIP/2.0", "To: sip:j_user@example.com", "From: sip:caller@example.org;tag=33242",
        *COMMON[:2], "CSeq: 8 OPTIONS", COMMON[3], "l: 0",
    ),
    "dblreq": built(
        "REGISTER sip:example.com SIP/2.0", "To: sip:j.user@example.com", "From: sip:j.user@example.com;tag=43251j3j324", *COMMON[:2],
        "CSeq: 8 REGISTER", COMMON[3], "Content-Length: 0",
    ) + built(
        "INVITE sip:joe@example.com SIP/2.0", "t: sip:joe@example.com", "From: sip:caller@example.net;tag=141334", *COMMON, "l: 0"
    ),
    "unreason": built(
        "SIP/2.0 200 = 2**3 * 5**2 \u043d\u043e \u0441\u0442\u043e", "Via: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923", *COMMON[1:3],
        "From: sip:user@example.com;tag=11141343", "To: sip:user@example.edu;tag=2229", "l: 0",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ALSO_LAWFUL)
def test_the_other_lawful_shapes_are_not_dropped_either(name: str) -> None:
    decision = judge(ALSO_LAWFUL[name])
    assert decision.observation is not None
    assert decision.verdict is Verdict.ACCEPT
    assert decision.alerts == () or name == "dblreq"


MADDR = "evasion.via.maddr"


@pytest.mark.parametrize(
    "via",
    [
        ";maddr=198.51.100.1",
        ";MADDR = 198.51.100.1 ;rport",
        ";maddr=203.0.113.9;maddr=198.51.100.1",
        ";maddr=198.51.100.1;maddr=203.0.113.9",
        ';maddr="198.51.100.1"',
        ';x="a;maddr=198.51.100.1"',
        ';x="a, b";maddr=198.51.100.1',
        ";x,SIP/2.0/UDP 203.0.113.9;maddr=198.51.100.1",
        ";maddr=192.0.2.10",
        ";maddr=trunk.example",
        ";maddr=3405803777",
        ";maddr=224.0.1.75",
        ";maddr=255.255.255.255",
        ";maddr=[2001:db8::1]",
        ";maddr=\xff",
    ],
)
def test_a_strangers_via_that_has_somebody_else_answered_dies(via: str) -> None:
    decision = judge(message(change={"Via": f"SIP/2.0/UDP {STRANGER}{via}"}))
    assert (decision.verdict, decision.reason) == (Verdict.DROP, Reason.MALFORMED)
    assert decision.rule is not None
    assert decision.rule.slug == MADDR


@pytest.mark.parametrize(
    "via", [";maddr=203.0.113.9", ";maddr=[::ffff:203.0.113.9]", ";maddr=", ";maddr", ";branch=maddr"]
)
def test_his_own_address_is_no_evasion(via: str) -> None:
    assert MADDR not in {a.rule.slug for a in judge(message(change={"Via": f"SIP/2.0/UDP {STRANGER}{via}"})).alerts}


def test_one_address_in_many_spellings_dies_before_all_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four thousand of them took twelve milliseconds a datagram."""
    read: list[str] = []

    def address(text: str) -> IPv4Address | IPv6Address:
        read.append(text)
        found = ip_address(text)
        return getattr(found, "ipv4_mapped", None) or found

    monkeypatch.setattr("sipsensor.detect.malformed._address", address)
    decision = judge(with_maddr(STRANGER, f";maddr={STRANGER}" * 2000))
    assert MADDR not in {alert.rule.slug for alert in decision.alerts}
    spellings = [f"::{text}:{STRANGER}" for text in ("ffff", "FFFF", "fFFF", "Ffff", "ffFF", "FFff", "fffF")]
    decision = judge(with_maddr(STRANGER, "".join(f";maddr={text}" for text in spellings)))
    assert MADDR in {alert.rule.slug for alert in decision.alerts}
    assert len(read) < 20


def test_maddr_of_ipv6() -> None:
    for value, verdict in ((STRANGER6, 0), (f"[{STRANGER6}]", 0), ("2001:DB8:9:0::9", 0), ("2001:db8:9::8", 1)):
        text = message(change={"Via": f"SIP/2.0/UDP [{STRANGER6}];branch=z9hG4bKx;maddr={value}"})
        assert judge(text, STRANGER6, PBX6).verdict == verdict


def test_who_sent_it_to_a_multicast_group_may_have_the_group_answered() -> None:
    group = "224.0.1.75"
    assert not judge(with_maddr(group), dst=group).verdict
    assert judge(with_maddr("224.0.1.76"), dst=group).verdict
    assert judge(with_maddr("192.0.2.99"), dst="192.0.2.99").verdict


def test_a_stream_is_answered_where_it_came_from() -> None:
    one = engine(MalformedShapes(MalformedSettings()))
    assert not one.process(Packet(0, segment(with_maddr("198.51.100.1")), LINK_RAW)).verdict


def test_answers_may_carry_any_maddr() -> None:
    assert not judge(response(change={"Via": f"SIP/2.0/UDP {PBX};maddr=198.51.100.1"})).verdict


def test_behind_a_proxy_maddr_is_the_proxys_business() -> None:
    one = engine(MalformedShapes(MalformedSettings()), proxies=["198.51.100.20"])
    text = message(change={"Via": f"SIP/2.0/UDP 198.51.100.20;maddr=198.51.100.21, SIP/2.0/UDP {STRANGER}"})
    assert not one.process(Packet(0, datagram(text, "198.51.100.20"), LINK_RAW)).verdict


def test_a_known_phone_may_be_answered_where_it_likes() -> None:
    one = site(MalformedShapes(MalformedSettings()))
    one.register(Guest())
    text = message(
        "REGISTER",
        change={
            "From": "<sip:201@pbx>;tag=1",
            "To": "<sip:201@pbx>",
            "Via": f"SIP/2.0/UDP {STRANGER};branch=z9hG4bKm;maddr=198.51.100.1",
        },
    )
    assert not one.outside(text).verdict
    assert one.outside(text, "203.0.113.99").verdict
