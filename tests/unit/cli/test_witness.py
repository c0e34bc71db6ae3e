from sipsensor.app import build_engine
from sipsensor.cli.witness import Witness
from sipsensor.config.load import defaults
from sipsensor.decide.ledger import Ledger
from sipsensor.model import Cut, Mode, Observation, Packet, Reason
from tests.support.captures import START
from tests.support.packets import LINK_RAW, datagram
from tests.unit.cli.conftest import ATTACK, BENIGN


def packet(payload: bytes) -> Packet:
    return Packet(START, datagram(payload), LINK_RAW, 1)


def test_it_changes_nothing_and_keeps_everything_from_watch_on() -> None:
    witness = Witness()
    plain = build_engine(defaults(), mode=Mode.ENFORCE, seed=bytes(16))
    watched = build_engine(defaults(), mode=Mode.ENFORCE, seed=bytes(16), wrap=witness.wrap)
    for payload in (BENIGN, ATTACK, b"\r\n\r\n"):
        assert watched.process(packet(payload)).reason == plain.process(packet(payload)).reason
    assert witness.messages == []
    witness.watch(watched)
    decision = watched.process(packet(ATTACK))
    assert decision.reason is Reason.SIGNATURE
    (seen,) = witness.messages
    assert len(witness.pieces) == 1
    assert seen.observation is decision.observation
    assert seen.decision is decision
    assert [name for name, _ in seen.asked] == ["scanner", "malformed"]  # what dies anyway is charged to nobody
    assert [alert.rule.slug for alert in dict(seen.asked)["scanner"]] == ["scanner.sipvicious.user-agent"]


def test_a_clean_message_is_shown_to_every_detector_that_judges_its_kind() -> None:
    witness = Witness()
    engine = build_engine(defaults(), mode=Mode.ENFORCE, seed=bytes(16), wrap=witness.wrap)
    witness.watch(engine)
    engine.process(packet(BENIGN))
    of_sip = [detector.name for detector in engine.detectors if detector.name != "frames"]
    assert [name for name, _ in witness.messages[0].asked] == of_sip


def test_it_keeps_a_drop_that_no_detector_asked_for() -> None:
    witness = Witness()
    engine = build_engine(defaults(), mode=Mode.ENFORCE, seed=bytes(16), wrap=witness.wrap)
    engine.ledger.ban("203.0.113.0/24", 2 * START)
    witness.watch(engine)
    decision = engine.process(packet(BENIGN))
    assert decision.reason is Reason.BANNED
    assert witness.messages[0].decision is decision


def test_it_keeps_the_error_of_a_failing_engine() -> None:
    witness = Witness()

    class Failing(Ledger):
        def accepted(self, observation: Observation) -> Cut | None:  # noqa: ARG002
            raise RuntimeError("on purpose")

    engine = build_engine(defaults(), wrap=witness.wrap)
    witness.watch(engine)
    engine.ledger = Failing({})
    assert engine.process(packet(BENIGN)).reason is Reason.ERROR
    assert isinstance(witness.error, RuntimeError)
    assert witness.messages[0].decision is None
