"""SipHash in plain Python after its paper (Aumasson and Bernstein, 2012), to judge the compiled keys by.

``siphash13`` is the function itself; its own judge is CPython, which hashes bytes with it. ``keyed`` is what the fast path makes of the same
rounds: the words of the data, zero-padded, then its length as a word of its own.
"""

from __future__ import annotations

import struct

_MASK = 2**64 - 1


def _rotate(x: int, bits: int) -> int:
    return (x << bits | x >> (64 - bits)) & _MASK


class _State:
    def __init__(self, key: bytes) -> None:
        k0, k1 = struct.unpack("<QQ", key)
        text = b"somepseudorandomlygeneratedbytes"
        self.v = [
            k ^ int.from_bytes(text[i : i + 8], "big") for k, i in zip((k0, k1, k0, k1), range(0, 32, 8), strict=True)
        ]

    def round(self) -> None:
        a, b, c, d = self.v
        a, c = (a + b) & _MASK, (c + d) & _MASK
        b, d = _rotate(b, 13) ^ a, _rotate(d, 16) ^ c
        a = _rotate(a, 32)
        c, a = (c + b) & _MASK, (a + d) & _MASK
        b, d = _rotate(b, 17) ^ c, _rotate(d, 21) ^ a
        self.v = [a, b, _rotate(c, 32), d]

    def word(self, value: int) -> None:
        self.v[3] ^= value
        self.round()
        self.v[0] ^= value

    def end(self) -> int:
        self.v[2] ^= 0xFF
        for _ in range(3):
            self.round()
        a, b, c, d = self.v
        return int(a ^ b ^ c ^ d)


def _words(data: bytes) -> tuple[int, ...]:
    padded = data + bytes(-len(data) % 8)
    return struct.unpack(f"<{len(padded) // 8}Q", padded)


def siphash13(key: bytes, data: bytes) -> int:
    """SipHash-1-3: one round per word, three at the end; the last word carries the length in its highest byte."""
    state = _State(key)
    whole = len(data) // 8 * 8
    for word in _words(data[:whole]):
        state.word(word)
    state.word(int.from_bytes(data[whole:], "little") | (len(data) & 255) << 56)
    return state.end()


def keyed(key: bytes, *parts: bytes) -> int:
    """The key that the fast path makes of these parts. Never 0."""
    state = _State(key)
    for part in parts:
        for word in _words(part):
            state.word(word)
        state.word(len(part))
    return state.end() or 1
