from sipsensor.app import build_engine
from sipsensor.cli.witness import Witness
from sipsensor.config.load import defaults
from sipsensor.model import Mode, Packet, Reason
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
    assert [name for name, _ in seen.asked] == [detector.name for detector in plain.detectors]
    assert [alert.rule.slug for alert in dict(seen.asked)["scanner"]] == ["scanner.sipvicious.user-agent"]


def test_it_keeps_the_error_of_a_failing_engine() -> None:
    witness = Witness()
    engine = build_engine(defaults(), wrap=witness.wrap)
    witness.watch(engine)
    engine.kinds = None  # type: ignore[assignment]
    assert engine.process(packet(BENIGN)).reason is Reason.ERROR
    assert isinstance(witness.error, AttributeError)
    assert witness.messages[0].decision is None
