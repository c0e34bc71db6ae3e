"""Hypothesis builds SIP messages: what they say, and each of the many ways in which a sender may write it down."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hypothesis import strategies as st

from sipsensor.fastpath.names import COMPACT_FORMS, METHODS

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_COMPACT = {name: letter for letter, name in COMPACT_FORMS.items()}

tokens = st.text(LETTERS + "-.!%*_+`'~", min_size=1, max_size=12)
hosts = st.one_of(
    st.text(LETTERS + "-.", min_size=1, max_size=20),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]"),
)
ports = st.integers(1, 65_535).map(str)
user_letters = st.text(LETTERS + "-_.!~*'()&=+$,;?/", min_size=1, max_size=12)
displays = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=20)
line_ends = st.sampled_from(["\r\n", "\n"])
blanks = st.text(" \t", max_size=3)


@dataclass(frozen=True)
class Address:
    """A name-addr: its parts, and the text of it."""

    display: str | None
    user: str | None
    host: str
    port: str | None
    tag: str | None
    text: str


@dataclass(frozen=True)
class Sent:
    """A request: what it says by field name (the normal form), and its bytes."""

    fields: dict[str, bytes | None]
    headers: list[tuple[str, str]]
    body: bytes
    data: bytes


@st.composite
def escaped(draw: st.DrawFn, text: str) -> str:
    """The text with some of its characters percent-encoded."""
    return "".join(f"%{ord(letter):02x}" if draw(st.booleans()) else letter for letter in text)


@st.composite
def uris(draw: st.DrawFn) -> tuple[str | None, str, str | None, str]:
    """(user, host, port, text). Within angle brackets or a request line, so that parameters are its own."""
    scheme = draw(st.sampled_from(["sip", "sips", "SIP", "sIpS"]))
    user = draw(st.none() | user_letters)
    host, port = draw(hosts), draw(st.none() | ports)
    text = f"{scheme}:"
    if user is not None:
        text += draw(escaped(user)) + draw(st.sampled_from(["", ":secret", ":"])) + "@"
    text += host + (f":{port}" if port else "")
    text += draw(st.sampled_from(["", ";transport=udp", ";lr", ";x=y;z", "?subject=a%20b", ";a=b?c=d"]))
    return user, host, port, text


@st.composite
def addresses(draw: st.DrawFn) -> Address:
    user, host, port, uri = draw(uris())
    tag = draw(st.none() | tokens)
    form = draw(st.sampled_from(["quoted", "bare name", "no name"]))
    display: str | None = None
    head = ""
    if form == "quoted":
        display = draw(displays)
        # A quoted pair is taken as it is, so an escaped blank is no part of a run of white space: none here.
        quoted = "".join(
            f"\\{letter}" if letter in '"\\' or (letter != " " and draw(st.integers(0, 9)) == 0) else letter
            for letter in display
        )
        head = f'"{quoted}"' + draw(blanks)
    elif form == "bare name":
        display = " ".join(draw(st.lists(st.text(LETTERS, min_size=1, max_size=8), min_size=1, max_size=3)))
        head = display + draw(st.sampled_from([" ", "\t", ""]))
    text = head + f"<{uri}>" + draw(st.sampled_from(["", ";x=y", ' ; q="a;tag=b"', ";lr"]))
    if tag is not None:
        name = draw(st.sampled_from(["tag", "TAG", "Tag"]))
        text += f"{draw(blanks)};{draw(blanks)}{name}{draw(blanks)}={draw(blanks)}{tag}"
    return Address(display, user, host, port, tag, text)


@st.composite
def names(draw: st.DrawFn, name: str) -> str:
    """A header name as a sender may write it: any case, compact."""
    if name in _COMPACT and draw(st.booleans()):
        name = _COMPACT[name]
    return "".join(letter.upper() if draw(st.booleans()) else letter for letter in name)


@st.composite
def folded(draw: st.DrawFn, value: str, end: str) -> str:
    """The value with some of its spaces made folds."""
    parts = value.split(" ")
    out = parts[0]
    for part in parts[1:]:
        out += draw(st.sampled_from([" ", " ", " ", "  ", f"{end} ", f" {end}\t", f"{end} {end} "])) + part
    return out


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else text.encode()


def squeezed(text: str | None) -> bytes | None:
    """White space runs as one space: how the normal form has them."""
    return None if text is None else re.sub("[ \t\r\n]+", " ", text).encode()


@st.composite
def requests(draw: st.DrawFn) -> Sent:
    """Any valid request, written in any way."""
    end = draw(line_ends)
    method = draw(st.sampled_from([name.decode() for name in METHODS]) | tokens)
    user, host, _, uri = draw(uris())
    origin, target, contact = draw(addresses()), draw(addresses()), draw(addresses())
    branch, via_host, via_port = draw(tokens), draw(hosts), draw(st.none() | ports)
    call_id, number = draw(tokens), draw(st.integers(0, 2**31 - 1))
    agent = " ".join(draw(st.lists(st.text(LETTERS + "/.-()", min_size=1, max_size=8), min_size=1, max_size=4)))
    slash = draw(st.sampled_from(["/", " / "]))
    via = f"SIP{slash}2.0{slash}UDP {via_host}" + (f":{via_port}" if via_port else "") + f";rport;branch={branch}"
    values = {
        "via": via,
        "from": origin.text,
        "to": target.text,
        "contact": contact.text,
        "call-id": call_id,
        "cseq": f"{number} {method}",
        "user-agent": agent,
        "max-forwards": "70",
    }
    body = draw(st.sampled_from([b"", b"v=0\r\no=- 1 1 IN IP4 a\r\ns=-\r\n", b"\0\xff\r\n\r\n"]))
    values["content-length"] = str(len(body))
    order = draw(st.permutations(list(values)))
    extra = draw(
        st.lists(st.tuples(st.text(LETTERS, min_size=1, max_size=9).map(lambda name: f"X-{name}"), tokens), max_size=4)
    )
    headers = [(name, values[name]) for name in order] + extra
    text = f"{method} {uri} SIP/2.0{end}"
    for name, value in headers:
        shown = draw(names(name)) if name in values else name
        text += f"{shown}{draw(blanks)}:{draw(blanks)}{draw(folded(value, end))}{draw(blanks)}{end}"
    fields = {
        "method": _bytes(method), "uri.user": _bytes(user), "uri.host": _bytes(host), "call-id": _bytes(call_id), "user-agent": _bytes(agent),
        "cseq.number": _bytes(str(number)), "cseq.method": _bytes(method), "via.branch": _bytes(branch), "via.host": _bytes(via_host),
        "via.port": _bytes(via_port), "via.transport": b"UDP", "body": re.sub(rb"[ \t\r\n]+", b" ", body) or None,
    }  # fmt: skip
    for prefix, address in (("from", origin), ("to", target), ("contact", contact)):
        fields |= {
            f"{prefix}.display": squeezed(address.display), f"{prefix}.user": _bytes(address.user), f"{prefix}.host": _bytes(address.host),
            f"{prefix}.port": _bytes(address.port), f"{prefix}.tag": _bytes(address.tag),
        }  # fmt: skip
    return Sent(fields, headers, body, text.encode() + end.encode() + body)
