"""The shipped signatures on captures that this project did not make: every scanner is found, and nobody else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from sipsensor.fastpath.examine import Examined, Examiner
from sipsensor.model import Confidence
from sipsensor.signatures import SignatureSet, compile_signatures, load
from sipsensor.signatures.trial import Trial
from sipsensor.sources.pcap import Capture

SCANNERS = {"initconf__sip-attacks__BadUserAgent-sipvicious.pcap": 26}
"""The captures of scanners that have signatures, and how many requests each holds."""
LOG = "honeypot-log/markofu__pcaps__honeynet-2010-04-svmap-svwar.txt"


@pytest.fixture(scope="module")
def signatures() -> SignatureSet:
    return compile_signatures(load())


def messages(path: Path, signatures: SignatureSet) -> Iterator[Examined]:
    examiner = Examiner(signatures.matcher, seed=bytes(16))
    for batch in Capture(path).batches():
        yield from examiner.walk(*batch)


def dropped(path: Path, signatures: SignatureSet) -> list[tuple[int, list[str]]]:
    """The packets on which a rule of high confidence fires, whatever its direction."""
    found = []
    for examined in messages(path, signatures):
        slugs = [one.slug for one in signatures.fired(examined) if one.confidence is Confidence.HIGH]
        if slugs:
            found.append((examined.number, slugs))
    return found


def test_scanners_lose_every_request(shared_captures: Path, signatures: SignatureSet) -> None:
    for name, requests in SCANNERS.items():
        assert len(dropped(shared_captures / name, signatures)) == requests, name


def test_nobody_else_loses_one(shared_captures: Path, signatures: SignatureSet) -> None:
    others = [path for path in sorted(shared_captures.glob("*.pcap*")) if path.name not in SCANNERS]
    assert len(others) > 50
    assert {path.name: found for path in others if (found := dropped(path, signatures))} == {}


def test_every_request_of_the_honeypot_log(shared_captures: Path, signatures: SignatureSet) -> None:
    text = (shared_captures / LOG).read_bytes().decode("latin-1")
    records = [record.partition("Message:")[2].lstrip() for record in re.split(r"^-{25}\n", text, flags=re.MULTILINE)]
    payloads = [
        record.rstrip().replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n" for record in records if record.strip()
    ]
    assert len(payloads) == 2653
    trial = Trial(signatures)
    for renamed in (False, True):
        passed = []
        for payload in payloads:
            sent = payload.replace(b"friendly-scanner", b"Asterisk PBX") if renamed else payload
            if not any(one.confidence is Confidence.HIGH for one in trial.fired(sent)):
                passed.append(sent)
        assert passed == [], f"{len(passed)} of {len(payloads)} requests pass"
