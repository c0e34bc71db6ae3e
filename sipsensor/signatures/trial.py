"""Tries signatures on their own samples: what ``sipsensor signatures test`` does.

Each positive sample must fire its rule as it is and in every variant; no negative sample may fire its rule, nor any rule of
high confidence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sipsensor.fastpath import examine
from sipsensor.model import AppProtocol, Confidence
from sipsensor.signatures.compile import SignatureSet
from sipsensor.signatures.samples import messages_of
from sipsensor.signatures.schema import Sample, Signature
from sipsensor.signatures.variants import variants_of

_SEED = bytes(16)


@dataclass(frozen=True, slots=True)
class Result:
    """One message tried on one rule. ``variant`` is empty for the sample as written; ``problem`` is empty when all is well."""

    rule: int
    slug: str
    sample: str
    variant: str
    payload: bytes
    problem: str = ""


class Trial:
    """Runs messages through the fast path and a set of signatures."""

    def __init__(self, signatures: SignatureSet) -> None:
        self.signatures = signatures
        self._examiner = examine.Examiner(signatures.matcher, seed=_SEED)

    def fired(self, payload: bytes, protocol: AppProtocol = AppProtocol.SIP) -> list[Signature]:
        """The signatures that match a datagram, in any of its messages."""
        found = {
            one.id: one
            for message in messages_of(self._examiner, payload, protocol)
            for one in self.signatures.fired(message)
        }
        return list(found.values())

    def run(self, wanted: frozenset[int] = frozenset()) -> Iterator[Result]:
        """All results; with ``wanted`` those of these rules' samples alone."""
        for signature in self.signatures.all:
            if not wanted or signature.id in wanted:
                for sample in signature.positive:
                    yield from self._positive(signature, sample)
                for sample in signature.negative:
                    yield self._negative(signature, sample)

    def _positive(self, signature: Signature, sample: Sample) -> Iterator[Result]:
        for variant, payload in [("", sample.payload), *variants_of(signature, sample.payload)]:
            problem = "" if signature in self.fired(payload, signature.protocol) else "does not fire"
            yield Result(signature.id, signature.slug, sample.name, variant, payload, problem)

    def _negative(self, signature: Signature, sample: Sample) -> Result:
        fired = self.fired(sample.payload, signature.protocol)
        wrong = [one.slug for one in fired if one is signature or one.confidence == Confidence.HIGH]
        problem = f"must pass, but {', '.join(wrong)} fires" if wrong else ""
        return Result(signature.id, signature.slug, sample.name, "", sample.payload, problem)
