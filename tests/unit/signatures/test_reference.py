from __future__ import annotations

from pathlib import Path

from sipsensor.signatures import load
from sipsensor.signatures.reference import render
from sipsensor.signatures.schema import Leaf, Reference
from tests.unit.signatures.building import signature


def test_the_page_in_the_repository_is_that_of_the_rules(repository: Path) -> None:
    page = repository / "docs" / "reference" / "signatures.md"
    assert page.read_text() == render(load()), (
        "run: python -m sipsensor.signatures.reference > docs/reference/signatures.md"
    )


def test_a_rule_on_the_page() -> None:
    page = render(
        [signature(Leaf("equal", "user-agent", "x"), methods=("BYE",), references=(Reference("list", "a list"),))]
    )
    assert "## Local: 9000 to 999999" in page
    assert "| 9001 | `scanner.test.n9001` | high | drop | 2 | A test |" in page
    assert 'user-agent is "x"' in page
    assert "- Looks at: BYE requests to the protected hosts." in page
    assert "- Reference (list): a list" in page
