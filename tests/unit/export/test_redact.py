"""What is handed out of packets has no secrets, and is as long as before."""

from __future__ import annotations

import pytest

from sipsensor.export.redact import is_piece, without_credentials
from tests.support.packets import datagram, fragment6, ipv4, ipv6, message, segment, udp

DIGEST = "0123456789abcdef0123456789abcdef"
SECRETS = {
    "digest": ("Authorization", f'Digest username="201", realm="pbx", nonce="abc123", response="{DIGEST}"', DIGEST),
    "cnonce": ("Proxy-Authorization", 'Digest username="201", cnonce="0a4f113b", nc=1', "0a4f113b"),
    "unquoted": ("Authorization", f"Digest username=201,response={DIGEST}", DIGEST),
    "folded": ("Authorization", f'Digest username="201",\r\n response\r\n =\r\n "{DIGEST}"', DIGEST),
    "single quotes": ("authorization", f"digest response='{DIGEST}'", DIGEST),
    "basic": ("Authorization", "Basic MjAxOnNlY3JldA==", "MjAxOnNlY3JldA=="),
    "bearer": ("Authorization", "Bearer ey.abc.def", "ey.abc.def"),
    "uri": ("Contact", "<sip:201:hunter2@pbx>", "hunter2"),
    "guess": ("From", "<sip:201@pbx>;tag=3230313a68756e746572320131323334", "68756e74657232"),
}


@pytest.mark.parametrize("what", SECRETS)
def test_a_secret_goes_and_the_length_stays(what: str) -> None:
    name, value, secret = SECRETS[what]
    packet = datagram(message("REGISTER", extra=[(name, value)]))
    masked = without_credentials(packet, piece=is_piece(packet))
    assert secret.encode() in packet
    assert secret.encode() not in masked
    assert len(masked) == len(packet)
    assert b"REGISTER sip:bob@example.com SIP/2.0" in masked


def test_what_is_no_secret_stays() -> None:
    packet = datagram(message("REGISTER", extra=[(SECRETS["digest"][0], SECRETS["digest"][1])]))
    masked = without_credentials(packet)
    assert b'Digest username="201", realm="pbx", nonce="abc123", response="' + b"x" * 32 + b'"' in masked
    assert without_credentials(datagram(message())) == datagram(message())


def test_keys_of_media_go() -> None:
    body = b"v=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20\r\n"
    masked = without_credentials(datagram(message(body=body)))
    assert b"WVNfX19" not in masked
    assert b"|2^20" in masked


def test_in_pieces_every_long_run_of_digits_goes() -> None:
    half = f'{DIGEST}", algorithm=MD5\r\n'.encode()
    pieces = [
        ipv4(half, offset=800),
        ipv4(udp(half), more=True),
        ipv6(fragment6(17, half, offset=800), next_header=44),
        segment(half),
    ]
    for packet in pieces:
        assert is_piece(packet)
        assert DIGEST.encode() not in without_credentials(packet, piece=True)
    assert not is_piece(datagram(half))
    assert not is_piece(datagram(half, "2001:db8::1", "2001:db8::2"))
    assert not is_piece(b"")
