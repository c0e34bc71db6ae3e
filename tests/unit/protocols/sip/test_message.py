import pytest

from sipsensor.fastpath.names import METHODS
from sipsensor.model import WHAT_STATUS, AppProtocol
from sipsensor.protocols.base import Malformed
from sipsensor.protocols.sip import SipMessage, parse
from tests.support.packets import message, response
from tests.support.scanning import examine


def parsed(payload: bytes) -> SipMessage:
    found = parse(examine(payload))
    assert isinstance(found, SipMessage)
    return found


def test_a_request() -> None:
    view = parsed(message("INVITE", "sip:bob@example.com;x=y", body=b"v=0\r\n"))
    assert view.is_request
    assert view.protocol == AppProtocol.SIP
    assert (view.what, view.method, view.method_name, view.code) == (METHODS.index(b"INVITE"), b"INVITE", "INVITE", 0)
    assert (view.uri, view.version, view.phrase) == (b"sip:bob@example.com;x=y", b"SIP/2.0", None)
    assert view.start_line == b"INVITE sip:bob@example.com;x=y SIP/2.0"
    assert (view.user_agent, view.body) == (b"Z 5.4.12 v2.10.11.7", b"v=0\r\n")


def test_a_response() -> None:
    view = parsed(response(401, "Unauthorized").replace(b"Content", b"Server: Asterisk\r\nContent"))
    assert not view.is_request
    assert (view.what, view.code, view.phrase, view.uri) == (WHAT_STATUS + 4, 401, b"Unauthorized", None)
    assert (view.method, view.method_name) == (b"OPTIONS", "OPTIONS")
    assert (view.user_agent, view.body) == (b"Asterisk", b"")
    assert view.start_line == b"SIP/2.0 401 Unauthorized"


@pytest.mark.parametrize(("method", "name"), [("invite", "INVITE"), ("FUZZ", "other"), ("Register", "REGISTER")])
def test_the_name_of_a_method_is_from_the_closed_list(method: str, name: str) -> None:
    assert (parsed(message(method)).method, parsed(message(method)).method_name) == (method.encode(), name)
    answer = parsed(response(change={"CSeq": f"1 {method}"}))
    assert answer.method_name == name


def test_a_response_without_cseq_answers_something_else() -> None:
    view = parsed(response(change={"CSeq": None}))
    assert (view.method, view.method_name) == (None, "other")


def test_fields_by_name() -> None:
    view = parsed(message(change={"From": '"a\\b"  <sip:%31@x>;tag=1'}))
    assert (view.get("from.user"), view.norm("from.user")) == (b"%31", b"1")
    assert (view.get("subject"), view.norm("subject")) == (None, None)
    with pytest.raises(KeyError):
        view.get("no-such-field")
    with pytest.raises(KeyError):
        view.norm("no-such-field")


@pytest.mark.parametrize("name", ["Authorization", "Proxy-Authorization", "authorization"])
def test_credentials(name: str) -> None:
    assert parsed(message(extra=[(name, "Digest x")])).has_credentials
    assert not parsed(message()).has_credentials


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"OPTIONS", "start-line"),
        (b"SIP/2.0 x\r\n\r\n", "status-code"),
        (b"OPTIONS sip:a SIP/2.0\r\n\r\n", "no-header"),
        (message(extra=[("X", "y")] * 300), "too-many-headers"),
    ],
)
def test_malformed_is_a_value_that_says_why_and_where(payload: bytes, reason: str) -> None:
    found = parse(examine(payload))
    assert isinstance(found, Malformed)
    assert found.reason == reason
    assert found.offset <= len(payload)


@pytest.mark.parametrize("payload", [b"", b"\r\n", b"hello", b"GET / HTTP/1.0\r\n\r\n", b"\x80\x00" + bytes(20)])
def test_what_is_not_sip_is_nothing(payload: bytes) -> None:
    assert parse(examine(payload)) is None
