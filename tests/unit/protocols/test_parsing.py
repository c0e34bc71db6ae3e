from sipsensor.model import AppProtocol
from sipsensor.protocols.base import Malformed, View
from sipsensor.protocols.iax2 import IaxFrame
from sipsensor.protocols.parsing import parse
from sipsensor.protocols.sip import SipMessage
from tests.support.iax2 import PORT, mini, registers
from tests.support.packets import message
from tests.support.scanning import examine


def view(payload: bytes, port: int = PORT) -> View | None:
    return parse(examine(payload, sport=40_000, dport=port))


def test_each_protocol_has_its_view() -> None:
    assert isinstance(view(message(), 5060), SipMessage)
    assert isinstance(view(registers()), IaxFrame)
    assert isinstance(view(mini(7)), IaxFrame)


def test_what_is_broken_says_of_which() -> None:
    for payload, port, protocol in ((b"OPTIONS", 5060, AppProtocol.SIP), (registers() + b"x", PORT, AppProtocol.IAX2)):
        found = view(payload, port)
        assert isinstance(found, Malformed)
        assert found.protocol == protocol


def test_what_is_of_none() -> None:
    assert view(b"\0\0\0") is None
    assert view(b"\x80" * 40, 20_000) is None
