"""Keys are what tables know packets by: equal for what belongs together, different for all else, and not to be guessed without the seed."""

import os
import subprocess
import sys

import pytest

from sipsensor.fastpath.examine import Examiner
from sipsensor.fastpath.examined import Examined
from sipsensor.fastpath.matcher import Matcher
from tests.support.packets import (
    LINK_RAW,
    PBX,
    PBX6,
    STRANGER,
    STRANGER6,
    datagram,
    message,
    response,
    wide,
)
from tests.support.scanning import PLAIN, SEED, examine, header
from tests.support.siphash import keyed, siphash13

VIA = "SIP/2.0/UDP 203.0.113.9:5060;branch={branch};rport"


def look(payload: bytes, src: str = STRANGER, dst: str = PBX, sport: int = 5060) -> Examined:
    return PLAIN.examine_raw(datagram(payload, src, dst, sport), LINK_RAW, 0)


def test_the_reference_implementation_is_the_one_that_python_hashes_bytes_with() -> None:
    assert sys.hash_info.algorithm == "siphash13"
    texts = [bytes(range(size)) for size in (1, 7, 8, 9, 16, 100)]
    code = f"print(*(hash(text) % 2**64 for text in {texts!r}))"
    run = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONHASHSEED": "0"},
    )
    assert [int(word) for word in run.stdout.split()] == [siphash13(bytes(16), text) for text in texts]


def test_the_key_of_a_source_is_its_whole_ipv4_address() -> None:
    assert look(message()).source_key == keyed(SEED, wide(STRANGER))
    assert look(message(), sport=7).source_key == look(message("BYE")).source_key
    assert look(message(), "203.0.113.10").source_key != look(message()).source_key


def test_the_key_of_a_source_is_the_first_half_of_an_ipv6_address() -> None:
    first, same, other = "2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1"
    assert look(message(), first, PBX6).source_key == look(message(), same, PBX6).source_key
    assert look(message(), first, PBX6).source_key != look(message(), other, PBX6).source_key
    assert look(message(), first, PBX6).source_port_key != look(message(), same, PBX6).source_port_key


def test_the_key_of_source_and_port_tells_ports_apart() -> None:
    assert look(message()).source_port_key != look(message(), sport=5061).source_port_key
    assert look(message()).source_port_key == look(b"anything").source_port_key


def test_keys_depend_on_the_seed() -> None:
    other = Examiner(Matcher(), (5060,), bytes(16)).examine_raw(datagram(message()), LINK_RAW, 0)
    mine = look(message())
    assert {other.source_key, other.transaction_key, other.account_key}.isdisjoint(
        {mine.source_key, mine.transaction_key, mine.account_key}
    )


# --- transactions ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"User-Agent": "other"},
        {"Call-ID": "other"},
        {"From": "<sip:other@x>;tag=9"},
        {"Via": "SIP/2.0/UDP 203.0.113.9:5060;rport=7;received=1.2.3.4;branch=z9hG4bK776asdhds"},
        {"CSeq": "0314159   OPTIONS"},
    ],
)
def test_what_may_differ_within_a_transaction(change: dict[str, str | None]) -> None:
    assert examine(message(change=change)).transaction_key == examine(message()).transaction_key


@pytest.mark.parametrize(
    "text",
    [
        message(change={"Via": VIA.format(branch="z9hG4bKother")}),
        message(change={"Via": "SIP/2.0/UDP 203.0.113.9:5061;branch=z9hG4bK776asdhds"}),
        message(change={"Via": "SIP/2.0/UDP 203.0.113.10:5060;branch=z9hG4bK776asdhds"}),
        message(change={"CSeq": "314160 OPTIONS"}),
        message("INVITE"),
    ],
)
def test_what_makes_another_transaction(text: bytes) -> None:
    assert examine(text).transaction_key != examine(message()).transaction_key


def test_a_transaction_belongs_to_its_source() -> None:
    assert look(message()).transaction_key != look(message(), "203.0.113.10").transaction_key
    assert look(message()).transaction_key == look(message(), sport=7).transaction_key


def test_a_response_has_the_key_of_its_request() -> None:
    for src, dst in ((STRANGER, PBX), (STRANGER6, PBX6)):
        assert look(response(), dst, src).transaction_key == look(message(), src, dst).transaction_key != 0
    assert look(response(), PBX, "203.0.113.10").transaction_key != look(message()).transaction_key


def test_without_the_cookie_call_id_and_tag_join() -> None:
    old = {"Via": VIA.format(branch="1")}
    base = examine(message(change=old)).transaction_key
    assert examine(message(change={**old, "Call-ID": "x"})).transaction_key != base
    assert examine(message(change={**old, "From": "<sip:a@b>;tag=x"})).transaction_key != base
    assert examine(message(change={**old, "User-Agent": "x"})).transaction_key == base
    assert examine(message(change={"Via": "SIP/2.0/UDP 203.0.113.9:5060"})).transaction_key not in (0, base)


@pytest.mark.parametrize("change", [{"CSeq": None}, {"CSeq": "x"}, {"Via": None, "Call-ID": None}])
def test_what_names_no_transaction_has_no_key(change: dict[str, str | None]) -> None:
    assert examine(message(change=change)).transaction_key == 0


def test_parts_do_not_run_into_one_another() -> None:
    one = message(change={"Via": "SIP/2.0/UDP ab;branch=z9hG4bKc"})
    two = message(change={"Via": "SIP/2.0/UDP b;branch=z9hG4bKca"})
    assert examine(one).transaction_key != examine(two).transaction_key


# --- accounts --------------------------------------------------------------------------------------------------------------------------


def test_the_key_of_an_account_is_its_user_and_host_in_normal_form() -> None:
    expected = keyed(SEED, b"bob", b"example.com")
    for value in (
        "<sip:bob@example.com>",
        '"Bob" <sips:%62ob:secret@EXAMPLE.com:5070;x=y>;tag=1',
        "sip:bob@example.com;tag=2",
    ):
        assert header("To", value).account_key == expected


@pytest.mark.parametrize(
    "value", ["<sip:alice@example.com>", "<sip:bob@example.org>", "<sip:bobexample.com>", "<tel:bob>"]
)
def test_other_accounts_have_other_keys(value: str) -> None:
    assert header("To", value).account_key not in (0, header("To", "<sip:bob@example.com>").account_key)


def test_without_a_to_there_is_no_account() -> None:
    assert examine(message(change={"To": None})).account_key == 0


def test_a_user_longer_than_any_is_cut() -> None:
    long = "a" * 256
    assert header("To", f"<sip:{long}@x>").account_key == header("To", f"<sip:{long}b@x>").account_key
