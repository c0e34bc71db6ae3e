from __future__ import annotations

import threading

from sipsensor.live.names import ADDRESSES_MOST, Trunks, addresses_of


def test_networks_are_what_they_are_and_names_what_they_stand_for() -> None:
    answers = {"sip.example.net": ["192.0.2.7", "192.0.2.5"], "sip6.example.net": ["2001:db8::5"]}
    trunks = Trunks(["198.51.100.0/24", *answers], lambda name: answers[name])
    before = trunks.networks
    trunks.look_up()
    assert before == ("198.51.100.0/24",)
    assert trunks.networks == ("198.51.100.0/24", "192.0.2.5", "192.0.2.7", "2001:db8::5")


def test_the_last_good_answer_stays() -> None:
    answers: list[list[str] | OSError] = [["192.0.2.7"], OSError("no answer"), [], ["192.0.2.8"]]

    def lookup(_name: str) -> list[str]:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    trunks = Trunks(["sip.example.net"], lookup)
    seen = []
    while answers:
        trunks.look_up()
        seen.append(trunks.networks)
    assert seen == [("192.0.2.7",), ("192.0.2.7",), ("192.0.2.7",), ("192.0.2.8",)]
    assert trunks.unknown == ()


def test_a_name_without_an_answer_is_told() -> None:
    def lookup(_name: str) -> list[str]:
        raise OSError

    trunks = Trunks(["sip.example.net"], lookup)
    trunks.look_up()
    assert trunks.unknown == ("sip.example.net",)
    assert trunks.networks == ()


def test_an_answer_that_is_nobodys_address_makes_nobody_trusted() -> None:
    answers = ["0.0.0.0", "127.0.0.1", "224.0.0.1", "::", "::1", "ff02::1", "nonsense", "192.0.2.7"]
    trunks = Trunks(["sip.example.net"], lambda _: answers)
    trunks.look_up()
    assert trunks.networks == ("192.0.2.7",)


def test_names_are_looked_up_beside_everything_else() -> None:
    asked, stop = threading.Event(), threading.Event()

    def lookup(_name: str) -> list[str]:
        asked.set()
        stop.wait(10)
        return ["192.0.2.7"]

    trunks = Trunks(["sip.example.net"], lookup)
    trunks.start(stop)
    assert asked.wait(10)
    assert len(trunks.networks) == 0
    stop.set()
    for thread in threading.enumerate():
        if thread.name == "trunks":
            thread.join(10)
    assert list(trunks.networks) == ["192.0.2.7"]


def test_where_there_are_no_names_nobody_is_asked() -> None:
    trunks = Trunks(["192.0.2.7"])
    before = set(threading.enumerate())
    trunks.start(threading.Event())
    assert set(threading.enumerate()) <= before


def test_the_system_is_asked() -> None:
    found = addresses_of("localhost")
    assert set(found) <= {"127.0.0.1", "::1"}
    assert 0 < len(found) <= ADDRESSES_MOST
