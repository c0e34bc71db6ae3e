"""Messages that are nearly alike: what one examiner recalls of the ones before is what another, which scans each of them, finds in it."""

from __future__ import annotations

from random import Random

from sipsensor.fastpath.examine import Examiner
from sipsensor.fastpath.examined import Examined
from sipsensor.fastpath.matcher import Matcher
from sipsensor.fastpath.names import FIELDS, HEADERS
from tests.fuzz.corpus import CREDENTIALS, SDP, payloads
from tests.fuzz.invariants import SEED, facts
from tests.support.packets import LINK_RAW, PBX, STRANGER, datagram, message, response

OPAQUE = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-./=_"
MUTANTS = 300
OFTEN = 8
"""So many of the messages are whole and without anomalies."""
MET = 3
"""So often a message must come before it is kept for certain: once to be met, and while another's row is in its place."""
RANDOM = (b"branch=", b"tag=", b"Call-ID: ", b"CSeq: ", b'nonce="', b'response="', b"nc=", b"Date: ")
"""Behind these stands what changes from message to message."""
STEADY = (b'username="', b"<sip:", b"realm=", b"expires=", b"SIP/2.0")


def likely() -> list[bytes]:
    """Messages of phones and PBXes, and the fuzzer's own."""
    own = [("Authorization", CREDENTIALS), ("Contact", "<sip:100@198.51.100.9:5060;ob>"), ("Expires", "300")]
    challenge = 'Digest realm="asterisk", nonce="1600000000/0123456789abcdef", opaque="0a0b", algorithm=MD5'
    return [
        message("REGISTER", "sip:example.com", extra=own),
        message("REGISTER", "sip:example.com", extra=[*own, ("Proxy-Authorization", CREDENTIALS.replace(", ", ","))]),
        message("INVITE", extra=[("Content-Type", "application/sdp"), *own], body=SDP),
        message(change={"From": "sip:alice@example.com;tag=a1b2", "Call-ID": "3848276298220188511"}),
        response(extra=[("Date", "Sun, 22 Nov 2026 09:47:11 GMT"), ("Contact", "<sip:100@198.51.100.9>;expires=300")]),
        response(401, "Unauthorized", extra=[("WWW-Authenticate", challenge), ("Server", "Asterisk PBX 22.2.0")]),
        response(407, "Proxy Authentication Required", extra=[("Proxy-Authenticate", challenge)]),
        response(extra=[("Via", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK8a")], change={"To": "<sip:b@x>;tag=77"}),
        *payloads(),
    ]


def everything(examined: Examined) -> list[object]:
    """Facts and every field."""
    found: list[object] = [facts(examined), examined.expires(), examined.credentials_key(), examined.nonce_keys()]
    for field in FIELDS.values():
        found += [
            examined.values(field),
            examined.raw(field),
            examined.has(field),
            examined.keys(field),
            examined.named(field),
        ]
    return found


class Shapes:
    """A matcher of a few leaves for each message that is varied."""

    def __init__(self, seed: int) -> None:
        self.done = self.recalled = self.matched = 0
        self.random = Random(seed)
        self.messages = likely()

    def close(self) -> None:
        """Nothing to give back."""

    def round(self) -> None:
        """One message and many that are like it."""
        matcher = self.matcher()
        first = self.random.choice(self.messages[: self.random.choice((OFTEN, len(self.messages)))])
        recalling = Examiner(matcher, (5060,), SEED)
        scanning = Examiner(matcher, (5060,), SEED, recalls=False)
        for turn in range(MUTANTS):
            payload = first if turn < MET else self.mutant(first)
            data = datagram(payload, STRANGER, PBX)
            one = recalling.examine_raw(data, LINK_RAW, turn)
            other = scanning.examine_raw(data, LINK_RAW, turn)
            assert everything(one) == everything(other), (first, payload)
            self.matched += bool(one.hits or one.candidates)
        self.done += MUTANTS
        self.recalled += recalling.recalled
        assert scanning.recalled == 0

    def matcher(self) -> Matcher:
        """Leaves of every kind, most of them over what changes."""
        random = self.random
        leaves: list[tuple[object, ...]] = []
        for _ in range(random.randrange(1, 30)):
            field = FIELDS[random.choice(CHANGING)] if random.random() < 0.7 else random.choice(list(FIELDS.values()))
            text = bytes(random.choices(b"aAfz09-:.g", k=random.randrange(1, 3)))
            leaves.append(
                random.choice(
                    (
                        (
                            "literal",
                            field,
                            random.randrange(2),
                            random.random() < 0.5,
                            ((text, random.random() < 0.3, False),),
                        ),
                        ("regex", field, random.randrange(2), random.random() < 0.5, (text,)),
                        ("present", field),
                        ("length", field, 1, 20),
                        ("integer", field, 0, 50),
                        ("digits", field, 1, 30),
                        ("same", field, FIELDS[random.choice(CHANGING)]),
                        ("tag", field, random.randrange(3)),
                        ("order", False, (HEADERS["via"], HEADERS["from"])),
                        ("count", 0, 5, 12),
                    )
                )
            )
        rules: list[object] = list(range(len(leaves)))
        rules += [("all", (random.randrange(len(leaves)), ("not", random.randrange(len(leaves))))) for _ in leaves]
        return Matcher(leaves, rules)

    def mutant(self, text: bytes) -> bytes:
        """Of the same length, mostly: other bytes at some places, likely ones at likely places."""
        random, found = self.random, bytearray(text)
        lawful = random.random() < 0.5
        for _ in range(random.choice((1, 1, 2, 4, 12))):
            if not found:
                break
            i = random.randrange(len(found))
            if lawful or random.random() < 0.8:
                mark = random.choice(RANDOM if lawful else (*RANDOM, *STEADY))
                at = text.find(mark)
                i = min(at + len(mark) + random.randrange(24), len(found) - 1) if at >= 0 else i
            if found[i] in OPAQUE and (lawful or random.random() < 0.7):
                found[i] = random.choice(OPAQUE)
            elif not lawful and random.random() < 0.2:
                found[i] = random.randrange(256)
        if random.random() < 0.02:
            del found[random.randrange(len(found) + 1) :]
        return bytes(found)


CHANGING = (
    "via.branch", "from.tag", "to.tag", "call-id", "cseq.number", "auth.nonce", "auth.cnonce", "auth.response", "auth.nc", "date", "head",
    "datagram", "authorization", "proxy-authorization", "via", "from", "to", "cseq", "www-authenticate", "proxy-authenticate",
)  # fmt: skip
