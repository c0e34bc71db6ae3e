"""What a capture file costs: `sipsensor replay` beside `suricata -r` in one thread with equivalent rules, in turn. `make bench-replay`.

Rates are of whole programs, their start included. No time is asserted; the memory is, because it is promised for files of any size.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest

from tests.bench import captures, offline
from tests.bench.offline import Pass
from tests.bench.suricata import MissingError, find
from tests.lab.sensor import COMMAND
from tests.lab.traffic.watch import publish

ROUNDS = int(os.environ.get("SIPSENSOR_BENCH_ROUNDS", "3"))
MOST_KIB = 150 * 1024
PROMISED = {"day": 2.0, "strangers": 0.75}
"""Times Suricata's rate, at least."""


def compared(capture: Path, packets: int, folder: Path, rounds: int) -> dict[str, list[Pass]]:
    """Passes in turn. Both have to have read every packet, and found the scanner at the end."""
    own = folder / capture.name
    shutil.copy(capture, own)
    commands: dict[str, list[str]] = {
        "sensor": [str(COMMAND), "replay", "--protected", captures.PROTECTED, str(own)],
    }
    try:
        commands["Suricata"] = find().offline(folder, own)
    except MissingError as error:
        print(f"without Suricata: {error}")  # noqa: T201
    passes: dict[str, list[Pass]] = {name: [] for name in commands}
    for _ in range(rounds):
        (folder / "eve.json").unlink(missing_ok=True)
        for name, command in commands.items():
            passes[name].append(offline.once(command, packets, folder / f"{name}.log"))
    said = (folder / "sensor.log").read_text()
    assert f"packets       {packets:,}\n" in said
    assert captures.SCANNER in said
    if "Suricata" in commands:
        assert f"{packets} packets" in (folder / "Suricata.log").read_text()
        assert (folder / "eve.json").read_text().count('"signature":"friendly-scanner"') == 1
    own.unlink()
    return passes


def tell(name: str, passes: dict[str, list[Pass]]) -> None:
    rates = {who: median(one.rate for one in each) for who, each in passes.items()}
    lines = [f"{name:14}{'packets/s':>12}{'least':>12}{'most':>12}{'processor s':>13}{'peak MB':>9}{'x Suricata':>12}"]
    for who, each in passes.items():
        own = sorted(one.rate for one in each)
        times = f"{rates[who] / rates['Suricata']:.2f}" if "Suricata" in rates else "-"
        spent, peak = median(one.processor for one in each), max(one.peak_kib for one in each) / 1024
        lines.append(f"{who:14}{rates[who]:12,.0f}{own[0]:12,.0f}{own[-1]:12,.0f}{spent:13.2f}{peak:9.0f}{times:>12}")
    lines.append(f"promised of the sensor: at least {PROMISED[name]:g} x Suricata")
    print("\n".join(lines))  # noqa: T201
    publish(f"replay-{name}", {"passes": passes, "packets/s": rates})


@pytest.mark.parametrize(
    ("name", "make", "packets"),
    [
        pytest.param("day", captures.day, 20_000, id="day-short"),
        pytest.param("strangers", captures.strangers, 10_000, id="strangers-short"),
        pytest.param("day", captures.day, 600_000, id="day", marks=[pytest.mark.slow, pytest.mark.timeout(600)]),
        pytest.param(
            "strangers", captures.strangers, 500_000, id="strangers", marks=[pytest.mark.slow, pytest.mark.timeout(600)]
        ),
    ],
)
def test_what_a_file_costs_whom(name: str, make: Callable[[int], Path], packets: int, tmp_path: Path) -> None:
    passes = compared(make(packets), packets, tmp_path, ROUNDS if packets >= captures.LARGE else 1)
    tell(name, passes)
    assert max(one.peak_kib for one in passes["sensor"]) < MOST_KIB
