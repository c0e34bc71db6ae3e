"""The lab itself: without a sensor the attacks reach the PBX and succeed, and phones call. Otherwise the rest would prove nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.network import ATTACKER, PHONE, Network
from tests.lab.pbx import Phones


@pytest.mark.parametrize("version", [4, 6])
def test_phones_register_and_call(lab: Network, folder: Path, version: int) -> None:
    Phones(lab.outside, version, folder).call(2)
    assert lab.arrived(PHONE[version]) >= 2 * 2 + 2 * 6


@pytest.mark.parametrize("version", [4, 6])
def test_a_weak_password_is_found(lab: Network, version: int) -> None:
    found = lab.outside.run(f"svcrack {'-6' if version == 6 else ''} -u 202 -r 200-204 pbx{version}")
    assert "202       | 202" in found
    assert lab.arrived(ATTACKER[version]) >= 2
