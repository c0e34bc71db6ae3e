"""The kernel's answer, read; the lab asks a real kernel."""

from __future__ import annotations

import socket
import struct

import pytest

from sipsensor.enforce.rules.generation import generation, parse


def answer(*attributes: tuple[int, bytes], kind: int = 10 << 8 | 15) -> bytes:
    body = b"".join(
        struct.pack("=HH", 4 + len(value), name) + value.ljust(-len(value) % 4 + len(value), b"\0")
        for name, value in attributes
    )
    return struct.pack("=IHHIIBBH", 20 + len(body), kind, 0, 1, 0, 0, 0, 0) + body


def test_the_number_is_found_among_what_else_is_told() -> None:
    assert parse(answer((3, b"nft\0x"), (1, b"\0\0\1\2"), (2, b"\0\0\0\7"))) == 258


@pytest.mark.parametrize(
    "told",
    [
        b"",
        b"\0" * 19,
        answer(),
        answer((1, b"\1")),
        answer((2, b"\0\0\0\7")),
        answer((1, b"\0\0\0\7"), kind=2),
        answer((3, b"")) + b"\0\0\0\0",
    ],
)
def test_an_answer_without_it_is_no_number(told: bytes) -> None:
    assert parse(told) is None


def test_a_length_of_zero_does_not_go_round_for_ever() -> None:
    assert parse(answer((1, b"\0\0\0\7"))[:20] + b"\0" * 8) is None


def test_a_kernel_that_refuses_gives_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> socket.socket:
        raise PermissionError(1, "not permitted")

    monkeypatch.setattr(socket, "socket", refuse)
    assert generation() is None
