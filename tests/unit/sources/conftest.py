"""Pumps on a bench."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sipsensor.fastpath.examine import Examined
from tests.unit.sources.kernel import Bench, Maker


@pytest.fixture
def judged() -> list[Examined]:
    return []


@pytest.fixture
def make() -> Iterator[Maker]:
    made: list[Bench] = []

    def maker(*arguments: Any, **options: Any) -> Bench:
        made.append(Bench(*arguments, **options))
        return made[-1]

    yield maker
    for bench in made:
        bench.close()


@pytest.fixture
def bench(make: Maker, judged: list[Examined]) -> Bench:
    def judge(examined: Examined) -> int:
        judged.append(examined)
        if b"raise" in examined.payload:
            raise RuntimeError("on purpose")
        return int(b"bad" in examined.payload)

    return make(judge, lambda packet, _ts, _arrival, _error: int(b"drop" in packet))
