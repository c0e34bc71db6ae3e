from __future__ import annotations

from dataclasses import replace

import pytest

from sipsensor.model import Action, AppProtocol, Confidence
from sipsensor.signatures import Signature, compile_signatures, load
from sipsensor.signatures.schema import Leaf, Sample
from sipsensor.signatures.trial import Result, Trial
from tests.unit.signatures.building import message, signature

PROBE = message("User-Agent: probe")
PHONE = message("User-Agent: phone")


def results(*signatures: Signature, wanted: frozenset[int] = frozenset()) -> list[Result]:
    return list(Trial(compile_signatures(signatures)).run(wanted))


def probe(number: int = 9001, **other: object) -> Signature:
    samples = {"positive": (Sample("a probe", PROBE),), "negative": (Sample("a phone", PHONE),)}
    return signature(Leaf("equal", "user-agent", "probe"), number, **{**samples, **other})


@pytest.mark.parametrize("one", load(), ids=lambda one: f"{one.id}-{one.slug}")
def test_every_shipped_signature_on_its_samples(one: Signature, shipped_trial: Trial) -> None:
    tried = list(shipped_trial.run(frozenset([one.id])))
    assert [result for result in tried if result.problem] == []
    # A frame of IAX2 has no other spelling.
    assert len(tried) > len(one.positive) * (15 if one.protocol is AppProtocol.SIP else 1)


def test_variants_are_tried() -> None:
    tried = results(probe())
    assert not any(result.problem for result in tried)
    assert {"", "LF only", "names in lower case", "fold before the colon", "leading CRLF"} <= {
        result.variant for result in tried
    }


def test_a_positive_sample_that_does_not_fire() -> None:
    wrong = [result for result in results(probe(positive=(Sample("no probe", PHONE),), negative=())) if result.problem]
    assert (wrong[0].rule, wrong[0].sample, wrong[0].variant, wrong[0].problem) == (
        9001,
        "no probe",
        "",
        "does not fire",
    )


def test_a_negative_sample_that_fires() -> None:
    (wrong,) = [result for result in results(probe(negative=(Sample("a probe again", PROBE),))) if result.problem]
    assert wrong.problem == "must pass, but scanner.test.n9001 fires"


def test_negative_samples_run_against_every_rule_of_high_confidence() -> None:
    other = signature(Leaf("equal", "user-agent", "phone"), 9002)
    (wrong,) = [result for result in results(probe(), other) if result.problem]
    assert (wrong.rule, wrong.problem) == (9001, "must pass, but scanner.test.n9002 fires")
    medium = replace(other, confidence=Confidence.MEDIUM, action=Action.ALERT)
    assert not [result for result in results(probe(), medium) if result.problem]


def test_only_the_wanted() -> None:
    assert {result.rule for result in results(probe(), probe(9002), wanted=frozenset([9002]))} == {9002}


def test_any_message_of_a_datagram_counts() -> None:
    two = message("User-Agent: phone", "Content-Length: 0") + PROBE
    assert [one.id for one in Trial(compile_signatures([probe()])).fired(two)] == [9001]
