import json
from pathlib import Path
from typing import Any

import pytest

from sipsensor.sources.pcap import CaptureError
from tests.support.packets import STRANGER, datagram, fragment6, ipv4, ipv6, message, udp
from tests.unit.cli.conftest import ANSWER, ATTACK, BENIGN, Command, Pcap


def explained(command: Command, *arguments: object) -> dict[str, Any]:
    found = json.loads(command("explain", "--json", *arguments).output)
    assert isinstance(found, dict)
    return found


def test_a_dropped_request_step_by_step(command: Command, capture: Pcap) -> None:
    said = explained(command, capture(BENIGN, ATTACK), "--packet", 2)
    assert said["packet"]["number"] == 2
    assert said["examine"]["content"] == "SIP request"
    assert said["examine"]["start_line"] == "OPTIONS sip:bob@example.com SIP/2.0"
    assert "User-Agent: friendly-scanner" in said["examine"]["headers"]
    assert said["examine"]["fields"]["from.user"] == "alice"
    assert said["examine"]["hits"] == ["scanner.sipvicious.user-agent"]
    assert said["assemble"]["messages_out"] == 1
    (message_,) = said["messages"]
    assert message_["parse"] == "request OPTIONS"
    assert message_["track"]["direction"] == "inbound"
    assert message_["track"]["standing"] == "stranger"
    assert message_["track"]["seen_before"] == 1
    assert message_["detect"]["scanner"][0].startswith("1001 scanner.sipvicious.user-agent (high confidence): ")
    assert message_["detect"]["malformed"] == ["nothing"]
    assert message_["decide"]["actions"] == {"scanner.sipvicious.user-agent": "drop"}
    assert said["decision"] == {
        "verdict": "drop",
        "done": "drop",
        "reason": "SIGNATURE",
        "rule": "1001 scanner.sipvicious.user-agent",
        "why": "rule scanner.sipvicious.user-agent drops",
    }


def test_the_same_for_people(command: Command, capture: Pcap) -> None:
    text = command("explain", capture(BENIGN, ATTACK), "--packet", 2).output
    for line in (
        "  content           SIP request\n",
        "                    User-Agent: friendly-scanner\n",
        "    direction         inbound\n",
        "  why               rule scanner.sipvicious.user-agent drops\n",
    ):
        assert line in text


def test_observe_mode(command: Command, capture: Pcap) -> None:
    said = explained(command, capture(ATTACK), "--packet", 1, "--observe")["decision"]
    assert (said["verdict"], said["done"]) == ("drop", "accept")
    assert said["why"].endswith("; observe mode accepts the packet all the same")


def test_state_comes_from_the_packets_before(command: Command, capture: Pcap) -> None:
    def register(number: int) -> bytes:
        change: dict[str, str | None] = {"Via": f"SIP/2.0/UDP 203.0.113.9;branch=z9hG4bK{number}"}
        return message("REGISTER", change=change)

    file = capture(*(register(number) for number in range(40)))
    before = explained(command, file, "--packet", 5)["messages"][0]
    after = explained(command, file, "--packet", 40)["messages"][0]
    assert before["detect"]["flood"] == ["nothing"]
    assert any("flood.register.source" in line for line in after["detect"]["flood"])
    assert after["decide"]["why"] == "rules fired, and none of them drops"


def test_it_says_what_replay_says(command: Command, capture: Pcap) -> None:
    payloads = [BENIGN, ATTACK, ANSWER, b"\r\n\r\n", b"INVITE sip:x@y SIP/2.0\r\n\r\n", b"HELP SIP/2.0\r\n"] * 15
    file = capture(*payloads)
    events = [json.loads(line) for line in command("replay", "--json", file).stdout.splitlines()]
    dropped = {event["pcap_cnt"] for event in events[:-1] if event["sipsensor"]["verdict"] == "drop"}
    for number in (1, 2, 3, 4, 5, 6, 65, 66, 89, 90):
        said = explained(command, file, "--packet", number)["decision"]
        assert (said["verdict"] == "drop") == (number in dropped), number


def test_a_response_is_not_asked_about_where_nobody_cares(command: Command, capture: Pcap) -> None:
    (said,) = explained(command, capture(ANSWER), "--packet", 1)["messages"]
    assert said["parse"] == "response 200 to OPTIONS"
    assert said["detect"]["malformed"] == ["not asked: messages of this kind do not concern it"]
    assert said["decide"]["why"] == "no rule fired"


def test_malformed(command: Command, capture: Pcap) -> None:
    said = explained(command, capture(b"INVITE sip:x@y SIP/2.0\r\n\r\n"), "--packet", 1)
    assert said["examine"]["malformed"].startswith("no-header, at byte ")
    assert said["messages"][0]["parse"].startswith("malformed: no-header, at byte ")
    assert said["decision"]["reason"] == "MALFORMED"


def test_what_is_no_message(command: Command, capture: Pcap) -> None:
    said = explained(command, capture(b"\r\n\r\n"), "--packet", 1)
    assert said["examine"]["content"] == "keepalive"
    assert said["messages"] == []
    assert said["decision"]["why"] == "accepted for the reason NOT_OURS"
    text = command("explain", capture(b"\x80" + bytes(100)), "--packet", 1).output
    assert "neither SIP nor IAX2" in text


def test_media_that_a_replay_skips_is_explained_too(command: Command, capture: Pcap) -> None:
    media = ipv4(udp(b"\x80\x00" + bytes(170), 20000, 30000))
    said = explained(command, capture(media, frames=True), "--packet", 1)
    assert said["examine"]["content"] == "neither SIP nor IAX2"
    assert said["decision"]["verdict"] == "accept"


def test_fragments_until_they_are_whole(command: Command, capture: Pcap) -> None:
    whole = udp(message(change={"User-Agent": "friendly-scanner"}, body=b"x" * 400))
    half = len(whole) // 2 // 8 * 8
    first = ipv4(whole[:half], more=True)
    second = ipv4(whole[half:], offset=half)
    file = capture(first, second, frames=True)
    said = explained(command, file, "--packet", 1)
    assert said["examine"]["fragment"] == "at byte 0, more follow"
    assert said["assemble"] == {"pieces_in": 1, "messages_out": 0, "unfinished_datagrams": 1}
    assert said["decision"]["reason"] == "INCOMPLETE"
    said = explained(command, file, "--packet", 2)
    assert said["examine"]["fragment"] == f"at byte {half}, the last"
    assert said["messages"][0]["parse"] == "request OPTIONS"
    assert said["decision"]["verdict"] == "drop"


def test_an_ipv6_fragment(command: Command, capture: Pcap) -> None:
    piece = ipv6(fragment6(17, udp(BENIGN)[:64], more=True), next_header=44)
    assert explained(command, capture(piece, frames=True), "--packet", 1)["examine"]["decoded"] == "fragment"


@pytest.mark.parametrize("frame", [b"", b"\x45", bytes(60), b"\xff" * 60, ipv4(b"", protocol=1)])
def test_what_cannot_be_decoded(command: Command, capture: Pcap, frame: bytes) -> None:
    said = explained(command, capture(frame, frames=True), "--packet", 1)
    assert said["decision"]["verdict"] == "accept"
    assert command("explain", capture(frame, frames=True), "--packet", 1).output


def test_several_messages_in_one_datagram(command: Command, capture: Pcap) -> None:
    said = explained(command, capture(BENIGN + ATTACK), "--packet", 1)
    assert [one["decide"]["verdict"] for one in said["messages"]] == ["accept", "drop"]
    text = command("explain", capture(BENIGN + ATTACK), "--packet", 1).output
    assert "messages 1\n" in text
    assert "messages 2\n" in text


def test_the_allowlist(command: Command, capture: Pcap, tmp_path: Path) -> None:
    config = tmp_path / "x.toml"
    config.write_text(f"[trust]\nallowlist = ['{STRANGER}']")
    said = explained(command, capture(ATTACK), "--packet", 1, "--config", config)
    assert said["decision"]["reason"] == "ALLOWLISTED"
    assert said["messages"][0]["decide"]["reason"] == "ALLOWLISTED"


def test_numbers_outside_the_file(command: Command, capture: Pcap) -> None:
    result = command("explain", capture(BENIGN, BENIGN), "--packet", 3, code=1)
    assert isinstance(result.exception, CaptureError)
    assert str(result.exception).endswith("a.pcap: has 2 packets; choose --packet from 1 to 2")
    result = command("explain", capture(), "--packet", 1, code=1)
    assert str(result.exception).endswith("a.pcap: has no packets")


def test_credentials_are_redacted(command: Command, capture: Pcap) -> None:
    value = 'Digest username="100", realm="r", nonce="n", uri="sip:x", response="0fa1c0de"'
    for name in ("Authorization", "Proxy-Authorization"):
        said = explained(command, capture(message("REGISTER", extra=[(name, value)])), "--packet", 1)
        assert "0fa1c0de" not in json.dumps(said)
        (header,) = [line for line in said["examine"]["headers"] if line.startswith(name)]
        assert 'username="100"' in header
        assert "(redacted)" in header


def test_the_direction_by_addresses(command: Command, capture: Pcap) -> None:
    file = capture(datagram(BENIGN), frames=True)
    said = explained(command, file, "--packet", 1, "--protected", STRANGER)
    assert said["messages"][0]["track"]["direction"] == "outbound"
