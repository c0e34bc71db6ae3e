"""Signatures: patterns with their samples, loaded from TOML, validated, and compiled for the fast path's matcher.

``load`` reads the shipped files (the repository's ``signatures/``, installed as ``sipsensor._signatures``) and the operator's
directories; ``compile_signatures`` turns them into a ``SignatureSet``. May be imported by ``config``, the edges, ``app`` and
``cli``. Judges nothing itself: what occurs in a message is the matcher's word, and google-re2's where a rule has a regular
expression.
"""

from sipsensor.signatures.compile import SignatureSet, compile_signatures
from sipsensor.signatures.load import load
from sipsensor.signatures.schema import Leaf, Node, Reference, Sample, Signature, SignatureError

__all__ = [
    "Leaf",
    "Node",
    "Reference",
    "Sample",
    "Signature",
    "SignatureError",
    "SignatureSet",
    "compile_signatures",
    "load",
]
