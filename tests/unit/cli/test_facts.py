import json

import pytest

from sipsensor.app import build_engine, load_signatures
from sipsensor.cli.facts import decision_facts, examined_facts, packet_facts
from sipsensor.config.load import defaults
from sipsensor.model import Arrival, Decision, Packet, Reason, Verdict
from tests.support.captures import START
from tests.support.packets import LINK_RAW, datagram, message, segment

SETTINGS = defaults()


def test_a_packet_says_how_it_arrived() -> None:
    facts = packet_facts(Packet(START, b"abc", 276, 9, arrival=Arrival.FORGED))
    assert facts == {
        "number": 9,
        "time": "2023-11-14T22:13:20.123456+00:00",
        "nanoseconds": START,
        "link_type": 276,
        "captured_bytes": 3,
        "arrival": "forged",
    }


@pytest.mark.parametrize("packet", [datagram(message()), segment(message()), datagram(message())[:60]])
def test_examined_facts_are_json_without_secrets_and_controls(packet: bytes) -> None:
    signatures = load_signatures(SETTINGS)
    engine = build_engine(SETTINGS, signatures=signatures)
    facts = examined_facts(engine.examiner.examine(Packet(START, packet, LINK_RAW, 1)), signatures)
    assert json.dumps(facts).isprintable()
    assert facts["transport"] in {"UDP", "TCP"}
    assert facts["truncated"] is (len(packet) == 60)


@pytest.mark.parametrize(
    ("decision", "why"),
    [
        (Decision(Verdict.ACCEPT, Reason.NONE), "no rule fired"),
        (Decision(Verdict.ACCEPT, Reason.INCOMPLETE), "accepted for the reason INCOMPLETE"),
        (Decision(Verdict.DROP, Reason.SPOOFED), "reason SPOOFED"),
        (
            Decision(Verdict.DROP, Reason.SPOOFED, effect=Verdict.ACCEPT),
            "reason SPOOFED; observe mode accepts the packet all the same",
        ),
    ],
)
def test_why(decision: Decision, why: str) -> None:
    assert decision_facts(decision)["why"] == why
