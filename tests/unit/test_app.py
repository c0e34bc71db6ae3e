import gc
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest

from sipsensor.app import Replay, actions_of, build_detectors, build_engine, calm_collector, load_signatures, rules_of
from sipsensor.config.errors import ConfigError
from sipsensor.config.load import defaults, parse
from sipsensor.detect import DETECTORS
from sipsensor.detect.base import Detector
from sipsensor.engine import Engine
from sipsensor.fastpath.examine import Examined
from sipsensor.model import Action, Alert, Arrival, Decision, Mode, Observation, Packet, Reason, Verdict
from sipsensor.signatures import SignatureSet
from sipsensor.sources.pcap import Capture, CaptureError
from tests.support.captures import NANO, START, enhanced, interface, pcap, section
from tests.support.engines import Broken
from tests.support.iax2 import registers
from tests.support.packets import (
    LINK_RAW,
    LINK_SLL2,
    PBX,
    STRANGER,
    datagram,
    ipv4,
    message,
    response,
    sll2,
    udp,
)

ATTACK = message(change={"User-Agent": "friendly-scanner"})
SECOND = 1_000_000_000
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(*items: tuple[int, bytes], name: str = "a.pcap", link: int = LINK_RAW) -> Path:
        path = tmp_path / name
        path.write_bytes(pcap([(START + ts, data) for ts, data in items], link=link, magic=NANO))
        return path

    return write


def engine(text: str = "", **arguments: Any) -> Engine:
    if "[signatures]" not in text:
        arguments["signatures"] = shipped()
    return build_engine(parse(text, "test"), mode=Mode.ENFORCE, seed=Replay.SEED, **arguments)


@cache
def shipped() -> SignatureSet:
    return load_signatures(defaults())


def verdict(own: Engine, payload: bytes, **arguments: Any) -> Decision:
    return own.process(Packet(START, datagram(payload, **arguments), LINK_RAW, 1))


def options(number: int) -> bytes:
    change: dict[str, str | None] = {"Via": f"SIP/2.0/UDP 203.0.113.9;branch=z9hG4bK{number}"}
    return message("REGISTER", change=change)


# --- building


def test_the_engine_has_every_detector_in_order() -> None:
    assert [detector.name for detector in engine().detectors] == [kind.name for kind in DETECTORS]


def test_mode_comes_from_the_settings_unless_told() -> None:
    assert build_engine(defaults()).policy.mode is Mode.OBSERVE
    assert build_engine(parse("mode = 'enforce'", "t")).policy.mode is Mode.ENFORCE
    assert build_engine(defaults(), mode=Mode.ENFORCE).policy.mode is Mode.ENFORCE


def test_the_allowlist_exempts() -> None:
    own = engine(f"[trust]\nallowlist = ['{STRANGER}']\n[network]\nprotected = ['{PBX}']")
    assert verdict(own, ATTACK).reason is Reason.ALLOWLISTED
    assert verdict(own, ATTACK, src="203.0.113.10").verdict is Verdict.DROP


@pytest.mark.parametrize("key", ["protected", "public"])
def test_protected_and_public_addresses_say_the_direction(key: str) -> None:
    inbound = verdict(engine(f"[network]\n{key} = ['{PBX}']"), ATTACK)
    outbound = verdict(engine(f"[network]\n{key} = ['{STRANGER}']"), message())
    assert inbound.observation is not None
    assert outbound.observation is not None
    assert (inbound.observation.direction, outbound.observation.direction) == (0, 1)


def test_protected_of_the_caller_replaces_that_of_the_file() -> None:
    own = engine(f"[network]\nprotected = ['{PBX}']", protected=[STRANGER])
    decision = verdict(own, message())
    assert decision.observation is not None
    assert decision.observation.direction == 1


def test_what_the_file_says_on_error_is_what_the_engine_does() -> None:
    own = engine("[failure]\non_error = ['accept', 'drop']")
    assert own.on_error == (Verdict.ACCEPT, Verdict.DROP)


class Failing:
    """A detector around which something that fails was put."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector

    def __getattr__(self, name: str) -> object:
        return getattr(self._detector, name)

    def observe(self, _observation: Observation) -> Sequence[Alert]:
        raise ZeroDivisionError


def test_failures_are_reported() -> None:
    failed: list[BaseException] = []

    def wrap(detector: Detector) -> Detector:
        return cast("Detector", Failing(detector))

    own = engine(report_error=lambda _, error: failed.append(error), wrap=wrap)
    assert verdict(own, message()).reason is Reason.ERROR
    assert [type(error) for error in failed] == [ZeroDivisionError]


def test_a_detectors_action_holds_for_its_rules_and_a_rules_own_for_itself() -> None:
    slug = "malformed.content-length.impossible"
    settings = parse(f"[detectors.malformed]\naction = 'off'\n[rules.'{slug}']\naction = 'alert'", "t")
    rules = rules_of(build_detectors(settings, load_signatures(settings)))
    actions = actions_of(settings, rules)
    assert actions.pop(slug) is Action.ALERT
    assert set(actions) == {rule.slug for rule in rules if rule.detector == "malformed" and rule.slug != slug}
    assert set(actions.values()) == {Action.OFF}


def test_rules_have_one_number_and_one_slug_each() -> None:
    rules = rules_of(build_detectors(defaults(), load_signatures(defaults())))
    assert len({rule.slug for rule in rules}) == len({rule.id for rule in rules}) == len(rules)
    assert [rule.id for rule in rules] == sorted(rule.id for rule in rules)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[rules.'no.such.rule']\naction = 'off'", 'rules."no.such.rule": there is no such rule; see '),
        ("[signatures]\ndirectories = ['/nowhere/at/all']", "/nowhere/at/all: cannot be read"),
    ],
)
def test_what_does_not_fit_together_is_a_configuration_error(text: str, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        engine(text)
    assert caught.value.lines[0].startswith(line)


def test_networks_that_nobody_checked_are_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match=r"^network\.protected: "):
        build_engine(defaults(), protected=["no network"])


# --- replay


def run(*files: Path, text: str = "", **arguments: Any) -> tuple[Replay, list[tuple[Examined, Decision]]]:
    told: list[tuple[Examined, Decision]] = []
    replay = Replay(lambda: engine(text), lambda *one: told.append(one), **arguments)
    replay.run(files)
    return replay, told


def test_a_replay_counts_and_tells(write: Write) -> None:
    media = ipv4(udp(b"\x80\x00" + bytes(170), 20000, 30000))
    file = write(
        (0, datagram(message())),
        (1, media),
        (2, datagram(ATTACK)),
        (3, datagram(response(), PBX, STRANGER)),
        (4, datagram(b"INVITE sip:x@y SIP/2.0\r\n\r\n")),
    )
    replay, told = run(file)
    said = replay.summary.as_object()
    assert (said["packets"], said["sip_messages"], said["malformed"]) == (5, 3, 1)
    assert (said["accepted"], said["dropped"], said["sources"]) == (3, 2, 2)
    assert said["drops_by_reason"] == {"MALFORMED": 1, "SIGNATURE": 1}
    assert [examined.number for examined, _ in told] == [3, 5]
    assert (replay.summary.first_ts, replay.summary.last_ts) == (START, START + 4)
    assert replay.notices == []
    assert replay.summary.elapsed > 0


def test_several_files_are_one_stream(write: Write) -> None:
    first = write(*((n * SECOND // 10, datagram(options(n))) for n in range(15)), name="1.pcap")
    second = write(*((2 * SECOND + n * SECOND // 10, datagram(options(100 + n))) for n in range(15)), name="2.pcap")
    replay, _ = run(first, second)
    assert replay.summary.packets == 30
    assert replay.summary.sip_messages == 30
    # 30 transactions in 4 s are more than 20 in 10 s: only together are they a flood.
    assert "flood.register.source" in replay.summary.rules
    assert "flood.register.source" not in run(first)[0].summary.rules


def test_a_file_from_the_past_begins_afresh(write: Write) -> None:
    early = write(*((n * SECOND // 10, datagram(options(n))) for n in range(15)), name="1.pcap")
    late = write(*((9000 * SECOND + n * SECOND // 10, datagram(options(n))) for n in range(15)), name="2.pcap")
    replay, _ = run(late, early)
    assert "flood.register.source" not in replay.summary.rules
    assert (replay.summary.packets, replay.summary.sip_messages) == (30, 30)


def test_progress_goes_up_to_the_size_of_all_files(write: Write) -> None:
    files = [write((0, datagram(message())), name=f"{n}.pcap") for n in range(3)]
    seen: list[int] = []
    Replay(engine).run(files, seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == sum(file.stat().st_size for file in files)


def test_an_empty_file_is_fine(write: Write) -> None:
    replay, told = run(write())
    assert (replay.summary.packets, told) == (0, [])


def test_a_truncated_file_is_told(write: Write) -> None:
    file = write((0, datagram(message())), (1, datagram(ATTACK)))
    file.write_bytes(file.read_bytes()[:-1])
    replay, _ = run(file)
    assert (replay.summary.packets, replay.summary.dropped) == (1, 0)
    (notice,) = replay.notices
    assert notice.endswith("read up to its last whole packet, number 1")


def test_link_types_that_cannot_be_read_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "mixed.pcapng"
    content = section() + interface(101) + interface(147)
    file.write_bytes(content + enhanced(datagram(ATTACK), 5) + enhanced(bytes(80), 5, number=1))
    replay, _ = run(file)
    assert (replay.summary.packets, replay.summary.accepted, replay.summary.dropped) == (2, 1, 1)
    assert replay.notices == ["1 packets have a link type that cannot be read; they were counted and accepted"]


def test_a_filter_leaves_packets_out_and_keeps_their_numbers(write: Write) -> None:
    file = write((0, datagram(ATTACK, "203.0.113.1")), (1, datagram(ATTACK)), (2, datagram(ATTACK)))
    replay, told = run(file, expression=f"host {STRANGER}")
    assert replay.summary.packets == 2
    assert [examined.number for examined, _ in told] == [2, 3]


def test_a_file_that_is_no_capture_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "x.pcap"
    file.write_text("no capture")
    with pytest.raises(CaptureError, match="cannot be read as a capture"):
        run(file)


def test_failures_of_the_engine_are_told_and_answered(write: Write) -> None:
    file = write((0, datagram(message())))

    def build() -> Engine:
        made = engine()
        made.tracker = Broken(made.tracker.directions)
        return made

    replay = Replay(build)
    replay.run([file])
    assert replay.summary.drops_by_reason == {Reason.ERROR: 1}
    assert "the engine failed on 1 packets" in replay.notices[0]


# --- verify


def recorded(payload: bytes, verdict_: int, arrival: int = 0) -> bytes:
    return sll2(datagram(payload), kind=arrival, link_address=b"SIPSEN" + bytes((verdict_, 0)))


def test_verify_agrees_with_a_recording_of_ours(write: Write) -> None:
    file = write((0, recorded(message(), 0)), (1, recorded(ATTACK, 1)), (2, recorded(message(), 1, 3)), link=LINK_SLL2)
    replay, told = run(file, verify=True)
    found = replay.differences
    assert found is not None
    assert (found.compared, found.different, found.unrecorded) == (3, 0, 0)
    assert [decision.reason for _, decision in told] == [Reason.SIGNATURE, Reason.SPOOFED]
    assert replay.summary.packets == 3


def test_verify_names_what_differs(write: Write) -> None:
    file = write((0, recorded(message(), 1)), (1, recorded(ATTACK, 0)), link=LINK_SLL2)
    found = run(file, verify=True)[0].differences
    assert found is not None
    assert (found.compared, found.different) == (2, 2)
    assert found.first[0].endswith("packet 1: recorded drop, now accept ")
    assert found.first[1].endswith("packet 2: recorded accept, now drop SIGNATURE")


def test_verify_counts_what_carries_no_verdict(write: Write) -> None:
    found = run(write((0, datagram(message()))), verify=True)[0].differences
    assert found is not None
    assert (found.compared, found.unrecorded) == (0, 1)


def test_a_recordings_arrival_is_what_counts(write: Write) -> None:
    file = write((0, recorded(ATTACK, 1)), (1, recorded(message(), 0, 4)), link=LINK_SLL2)
    own = engine()
    batch = next(iter(Capture(file).batches()))
    judged = list(own.examiner.walk(*batch))
    assert [examined.arrival for examined in judged] == [Arrival.INBOUND, Arrival.OUTBOUND]


def test_walking_and_examining_judge_alike(write: Write) -> None:
    items = [(n, datagram(ATTACK if n % 3 == 0 else message())) for n in range(200)]
    walked = run(write(*items))[0].summary.as_object()
    examined = run(write(*items), verify=True)[0].summary.as_object()
    for key in ("elapsed_seconds", "packets_per_second"):
        walked.pop(key)
        examined.pop(key)
    assert walked == examined


def test_the_collector_comes_by_less_often() -> None:
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)  # a replay of another test may have calmed it already
    try:
        calm_collector()
        assert gc.get_threshold()[0] > 700
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


def test_frames_are_read_on_the_ports_that_the_settings_name() -> None:
    settings = parse("[network]\niax2_ports = [4570]\n", "t")
    engine = build_engine(settings, protected=[PBX])
    for port, frames in ((4569, 0), (4570, 1)):
        engine.process(Packet(START, datagram(registers(), sport=40_000, dport=port), LINK_RAW, 1))
        assert engine.counters.iax2_frames == frames
