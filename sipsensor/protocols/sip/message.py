"""A lazy view of one SIP message over what the scan found. Nothing is parsed here: a property reads a span when it is asked."""

from __future__ import annotations

from sipsensor.fastpath import examine, names
from sipsensor.model import WHAT_STATUS, AppProtocol
from sipsensor.protocols.base import Malformed, View

METHOD_NAMES = tuple(method.decode() for method in names.METHODS)
_MALFORMATION_NAMES = {number: name for name, number in names.MALFORMATIONS.items()}

_URI, _PHRASE, _START_LINE, _BODY = (
    names.FIELDS["uri"],
    names.FIELDS["phrase"],
    names.FIELDS["start-line"],
    names.FIELDS["body"],
)
_METHOD, _VERSION, _CSEQ_METHOD = names.FIELDS["method"], names.FIELDS["version"], names.FIELDS["cseq.method"]
_USER_AGENT, _SERVER = names.FIELDS["user-agent"], names.FIELDS["server"]
_REQUEST, _RESPONSE, _MALFORMED = examine.CONTENT_REQUEST, examine.CONTENT_RESPONSE, examine.CONTENT_MALFORMED
_STATUS, _SIP = WHAT_STATUS, int(AppProtocol.SIP)
_AUTHORIZATION, _PROXY_AUTHORIZATION = names.FIELDS["authorization"], names.FIELDS["proxy-authorization"]


class SipMessage(View):
    """A request or a response. Text properties are the bytes as sent, without surrounding white space; None where the field is absent."""

    __slots__ = ()

    def __init__(self, examined: examine.Examined) -> None:
        self.read(examined)

    def read(self, examined: examine.Examined) -> None:
        """Be the view of that message. What it is of a kind: its method's number, or WHAT_STATUS + its status class."""
        if examined.content == _REQUEST:
            self.of(examined, _SIP, examined.method, True)  # noqa: FBT003 - typed for C
        else:
            self.of(examined, _SIP, _STATUS + examined.code // 100, False)  # noqa: FBT003

    def get(self, name: str) -> bytes | None:
        """The named field or header (``names.FIELDS``) as sent. Raises KeyError for a name that is in no list."""
        return self.examined.raw(names.FIELDS[name])

    def norm(self, name: str) -> bytes | None:
        """The same in its normal form."""
        return self.examined.norm(names.FIELDS[name])

    @property
    def method(self) -> bytes | None:
        """The request's method as sent; for a response that of its CSeq."""
        return self.examined.raw(_METHOD if self.is_request else _CSEQ_METHOD)

    @property
    def method_name(self) -> str:
        """From the closed list, or "other"; for a response that of its CSeq."""
        if self.is_request:
            number = self.examined.method
            return METHOD_NAMES[number] if number != names.METHOD_OTHER else "other"
        sent = (self.examined.raw(_CSEQ_METHOD) or b"").upper()
        return sent.decode() if sent in names.METHODS else "other"

    @property
    def code(self) -> int:
        """Status code; 0 for a request."""
        return self.examined.code

    @property
    def uri(self) -> bytes | None:
        """Request-URI."""
        return self.examined.raw(_URI)

    @property
    def version(self) -> bytes | None:
        """As sent: SIP/2.0."""
        return self.examined.raw(_VERSION)

    @property
    def phrase(self) -> bytes | None:
        """Reason phrase of a response."""
        return self.examined.raw(_PHRASE)

    @property
    def start_line(self) -> bytes | None:
        """Request line or status line."""
        return self.examined.raw(_START_LINE)

    @property
    def user_agent(self) -> bytes | None:
        """User-Agent, or a response's Server."""
        return self.examined.raw(_USER_AGENT) or self.examined.raw(_SERVER)

    @property
    def body(self) -> bytes:
        """Everything behind the head, whatever Content-Length says."""
        return self.examined.raw(_BODY) or b""

    @property
    def account(self) -> bytes | None:
        """The name that its credentials are for, else the user that it registers."""
        return self.norm("auth.username") or self.norm("to.user")

    @property
    def called(self) -> bytes | None:
        """The number or name that is called: the user of the Request-URI."""
        return self.norm("uri.user") if self.is_request else None

    @property
    def has_credentials(self) -> bool:
        """Whether it carries Authorization or Proxy-Authorization."""
        return self.examined.has(_AUTHORIZATION) or self.examined.has(_PROXY_AUTHORIZATION)


def parse(examined: examine.Examined) -> SipMessage | Malformed | None:
    """The view, a malformed message, or None when this is no SIP. Never raises on input."""
    content = examined.content
    if content in (_REQUEST, _RESPONSE):
        message = SipMessage.__new__(SipMessage)
        message.read(examined)
        return message
    if content == _MALFORMED:
        return Malformed(examined, AppProtocol.SIP, _MALFORMATION_NAMES[examined.malformation], examined.malformed_at)
    return None
