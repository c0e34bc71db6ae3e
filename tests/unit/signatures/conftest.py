"""A good rule, and directories that hold variations of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sipsensor.signatures import compile_signatures, load
from sipsensor.signatures.trial import Trial

RULE = """
[[rule]]
id = 1001
slug = "scanner.probe.user-agent"
rev = 1
name = "A probe"
protocol = "sip"
direction = "inbound"
match = { kind = "equal", field = "user-agent", value = "probe" }
confidence = "high"
severity = 2
action = "drop"
references = [{ kind = "source", text = "its source" }]
false_positives = "None known."
since = "0.1.0"
modified = 2026-11-22
samples.match = [
    { name = "one", text = "OPTIONS sip:a@b SIP/2.0\\nUser-Agent: probe\\n\\n" },
    { name = "two", text = "REGISTER sip:b SIP/2.0\\nUser-Agent: probe\\n\\n" },
]
samples.pass = [
    { name = "three", text = "OPTIONS sip:a@b SIP/2.0\\nUser-Agent: probes\\n\\n" },
    { name = "four", hex = "4f5054494f4e53" },
]
"""

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a directory with one file of rules: RULE with replacements, or other text."""

    def made(
        *replacements: tuple[str, str], text: str = RULE, name: str = "rules.toml", directory: str = "shipped"
    ) -> Path:
        for old, new in replacements:
            assert old in text, old
            text = text.replace(old, new)
        folder = tmp_path / directory
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(text)
        return folder

    return made


@pytest.fixture(scope="session")
def shipped_trial() -> Trial:
    """All shipped signatures, ready to be tried."""
    return Trial(compile_signatures(load()))
