"""One peer registers with a wrong secret 30 times in 30 s, over IAX2, with call tokens and challenges, as Asterisk does and answers."""

from __future__ import annotations

from collections.abc import Iterator

from pcaps.synthetic import ATTACKER, PBX, START, Endpoint, Frame, datagram, ethernet, seconds, write
from tests.support.iax2 import PORT, element, full

PEER, SWITCH = Endpoint(ATTACKER.address, 45_690), Endpoint(PBX.address, PORT)
TRIES = 30


def exchange(call: int) -> Iterator[tuple[bool, bytes]]:
    """Whether it comes from the peer, and the frame: token, challenge, refusal."""
    name, token, number = element("username", "301"), element("call-token", f"1795428000?{call:040x}"), 1000 + call
    yield True, full("REGREQ", [name, element("call-token")], source=call)
    yield False, full("CALLTOKEN", [token], source=1, destination=call, iseqno=1)
    yield True, full("REGREQ", [name, token], source=call, timestamp=6)
    challenge = [element("auth-methods", b"\0\2"), element("challenge", f"{number * 7919}"), name]
    yield False, full("REGAUTH", challenge, source=number, destination=call, iseqno=1)
    result = element("md5-result", f"{call * 104729:032x}")
    yield True, full("REGREQ", [name, result, token], source=call, destination=number, timestamp=9, oseqno=1, iseqno=1)
    refusal = [element("cause", "Registration Refused"), element("cause-code", b"\x1d")]
    yield False, full("REGREJ", refusal, source=number, destination=call, timestamp=12, oseqno=1, iseqno=2)


def frames() -> Iterator[Frame]:
    """One try a second, its frames a millisecond apart."""
    for call in range(1, TRIES + 1):
        for place, (his, payload) in enumerate(exchange(call)):
            ends = (PEER, SWITCH) if his else (SWITCH, PEER)
            yield Frame(START + seconds(call + place / 1000), ethernet(datagram(*ends, payload, call * 10 + place)))


if __name__ == "__main__":
    write(__file__, frames())
