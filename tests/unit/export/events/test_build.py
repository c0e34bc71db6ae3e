from binascii import hexlify
from typing import Any

import pytest

from sipsensor.engine import Engine
from sipsensor.export.events.build import GID, event_of, timestamp, told
from sipsensor.fastpath.examine import Examined
from sipsensor.model import (
    Action,
    Alert,
    Arrival,
    Confidence,
    Decision,
    Family,
    Mode,
    Observation,
    Packet,
    Reason,
    Rule,
    Verdict,
)
from tests.support.events import assert_valid
from tests.support.packets import LINK_RAW, datagram, message, response
from tests.unit.export.events.conftest import TS, Judge

SCANNER: dict[str, str | None] = {"User-Agent": "friendly-scanner"}


def events(judged: tuple[Examined, Decision]) -> list[dict[str, Any]]:
    examined, decision = judged
    found = [event_of(examined, decision, alert) for alert in told(decision)]
    assert_valid(found)
    return found


def test_a_packet_without_alert_gives_no_event(judge: Judge) -> None:
    assert events(judge(message())) == []
    assert events(judge(b"\r\n\r\n")) == []


def test_a_dropped_packet_is_one_alert_in_the_shape_of_eve(judge: Judge) -> None:
    (event,) = events(judge(message(change=SCANNER)))
    assert event["timestamp"] == "2023-11-14T22:13:20.123456+00:00"
    assert event["event_type"] == "alert"
    assert (event["src_ip"], event["src_port"]) == ("203.0.113.9", 5060)
    assert (event["dest_ip"], event["dest_port"]) == ("192.0.2.10", 5060)
    assert (event["proto"], event["app_proto"], event["pcap_cnt"]) == ("UDP", "sip", 7)
    alert = event["alert"]
    assert (alert["action"], alert["gid"], alert["signature_id"], alert["rev"]) == ("blocked", GID, 1001, 1)
    assert (alert["category"], alert["severity"]) == ("scanner", 2)
    assert event["sip"] == {
        "method": "OPTIONS",
        "uri": "sip:bob@example.com",
        "version": "SIP/2.0",
        "request_line": "OPTIONS sip:bob@example.com SIP/2.0",
        "call_id": "a84b4c76e66710@203.0.113.9",
        "cseq": "314159 OPTIONS",
        "from": '"Alice" <sip:alice@example.com>;tag=1928301774',
        "to": "<sip:bob@example.com>",
        "user_agent": "friendly-scanner",
    }
    said = event["sipsensor"]
    assert (said["verdict"], said["reason"], said["rule"]) == ("drop", "SIGNATURE", "scanner.sipvicious.user-agent")
    assert (said["detector"], said["standing"], said["spoofable"]) == ("scanner", "stranger", True)
    assert said["evidence"] == {"user-agent": "friendly-scanner"}


def test_other_rules_of_a_dropped_packet_are_named_beside(judge: Judge) -> None:
    (event,) = events(judge(message(change={**SCANNER, "Content-Length": "x"})))
    assert event["sipsensor"]["rule"] == "scanner.sipvicious.user-agent"
    assert event["sipsensor"]["also"] == ["malformed.content-length.impossible"]


def test_observe_mode_says_drop_and_allows(judge: Judge) -> None:
    (event,) = events(judge(message(change=SCANNER), mode=Mode.OBSERVE))
    assert event["alert"]["action"] == "allowed"
    assert event["sipsensor"]["verdict"] == "drop"


def test_an_accepted_packet_gives_an_alert_for_each_rule(judge: Judge) -> None:
    settings = "[detectors.scanner]\naction = 'alert'\n[detectors.malformed]\naction = 'alert'"
    found = events(judge(message(change={**SCANNER, "Content-Length": "x"}), settings=settings))
    assert {event["sipsensor"]["rule"] for event in found} == {
        "scanner.sipvicious.user-agent",
        "malformed.content-length.impossible",
    }
    assert {event["alert"]["action"] for event in found} == {"allowed"}
    assert {event["sipsensor"]["verdict"] for event in found} == {"accept"}


def test_a_response_has_its_code_as_text(judge: Judge) -> None:
    examined, _ = judge(response(404, "Not Found"))
    observation = Observation(object(), examined, 0, 1, 0, 0)
    rule = Rule(9001, "probe.test.rule", "Test", Family.PROBE, 5, Confidence.LOW, Action.ALERT, Reason.SIGNATURE)
    decision = Decision(Verdict.ACCEPT, Reason.NONE, rule=rule, alerts=(Alert(rule, observation, {"n": 3}),))
    (event,) = events((examined, decision))
    assert event["sip"]["code"] == "404"
    assert event["sip"]["reason"] == "Not Found"
    assert event["sip"]["response_line"] == "SIP/2.0 404 Not Found"
    assert "method" not in event["sip"]
    assert "request_line" not in event["sip"]
    assert event["sipsensor"]["evidence"] == {"n": 3}


def test_a_drop_without_rule_is_a_drop_event(judge: Judge) -> None:
    examined, _ = judge(message())
    (event,) = events((examined, Decision(Verdict.DROP, Reason.BANNED)))
    assert event["event_type"] == "drop"
    assert event["drop"] == {"len": len(examined.data), "reason": "BANNED"}
    assert "alert" not in event
    assert event["sipsensor"]["rule"] == ""
    assert event["sip"]["method"] == "OPTIONS"


def test_a_forged_packet_is_a_drop_event(engine: Engine) -> None:
    packet = Packet(TS, datagram(message()), LINK_RAW, 1, arrival=Arrival.FORGED)
    examined = engine.examiner.examine(packet)
    (event,) = events((examined, engine.judge(examined)))
    assert (event["event_type"], event["sipsensor"]["reason"]) == ("drop", "SPOOFED")


def test_malformed_messages_have_events(judge: Judge) -> None:
    (event,) = events(judge(b"INVITE sip:x@y SIP/2.0\r\n\r\n"))
    assert event["sipsensor"]["reason"] == "MALFORMED"
    assert event["alert"]["category"] == "malformed"
    assert event["app_proto"] == "sip"


def test_attackers_text_is_escaped(judge: Judge) -> None:
    change: dict[str, str | None] = {"User-Agent": "friendly-scanner\x1b[2J", "Call-ID": "a\u202eb"}
    (event,) = events(judge(message(change=change)))
    assert event["sip"]["user_agent"] == r"friendly-scanner\x1b[2J"
    assert event["sip"]["call_id"] == r"a\u202eb"


def test_a_guessed_password_is_nowhere_in_an_event(judge: Judge) -> None:
    tag = hexlify(b"100:hunter2\x013130246426").decode()
    change: dict[str, str | None] = {
        "From": f'"100"<sip:100:hunter2@192.0.2.10>;tag={tag}',
        "Contact": "<sip:100:hunter2@203.0.113.9>",
        "User-Agent": "friendly-scanner",
    }
    extra = [("Authorization", 'Digest username="100", realm="r", nonce="n", uri="sip:x", response="aa77aa77"')]
    (event,) = events(judge(message("REGISTER", "sip:192.0.2.10", change=change, extra=extra)))
    for secret in ("hunter2", tag, "aa77aa77", hexlify(b"hunter2").decode()):
        assert secret not in str(event)


def test_ipv6(engine: Engine) -> None:
    packet = datagram(message(change=SCANNER), "2001:db8:9::9", "2001:db8::10")
    examined = engine.examiner.examine(Packet(TS, packet, LINK_RAW, 1))
    (event,) = events((examined, engine.judge(examined)))
    assert (event["src_ip"], event["dest_ip"]) == ("2001:db8:9::9", "2001:db8::10")


@pytest.mark.parametrize(
    ("ts", "text"),
    [
        (0, "1970-01-01T00:00:00.000000+00:00"),
        (1_700_000_000_999_999_999, "2023-11-14T22:13:20.999999+00:00"),
        (4_294_967_295_000_000_000, "2106-02-07T06:28:15.000000+00:00"),
    ],
)
def test_timestamps_are_rfc_3339_in_microseconds(ts: int, text: str) -> None:
    assert timestamp(ts) == text
