"""Asked of processes of their own: what has gone first once may not go back."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from sipsensor.live.priority import NICE

ASK = """
import os, threading
from sipsensor.live.priority import go_first
{before}
go_first()
seen = []
thread = threading.Thread(target=lambda: seen.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id())))
thread.start()
thread.join()
print(os.getpriority(os.PRIO_PROCESS, 0), *seen)
"""


def niceness(before: str = "") -> list[int]:
    done = subprocess.run([sys.executable, "-c", ASK.format(before=before)], capture_output=True, text=True, check=True)
    return [int(word) for word in done.stdout.split()]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_it_goes_first_with_its_threads() -> None:
    assert niceness() == [NICE, NICE]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_who_goes_before_it_already_stays_there() -> None:
    assert niceness("os.setpriority(os.PRIO_PROCESS, 0, -15)") == [-15, -15]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be nobody")
def test_who_may_not_goes_on_as_he_is() -> None:
    assert niceness("os.setpriority(os.PRIO_PROCESS, 0, 3); os.setuid(65534)") == [3, 3]
