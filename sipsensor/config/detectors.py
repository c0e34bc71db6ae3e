"""The reference of the detectors: ``python -m sipsensor.config.detectors > docs/detectors.md``.

Rules and defaults come from the detectors, the prose from here; a test holds that every detector, rule and setting has its words, and that
the page is what this module renders. It stands beside ``reference`` and not in ``detect``, where no module may know two detectors.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from sipsensor.config.load import defaults
from sipsensor.config.reference import toml
from sipsensor.detect import DETECTORS
from sipsensor.detect.base import Detector
from sipsensor.model import Action, Rule

HEAD = """# Detectors

What each sees, what it needs to see it, its rules, its settings with their defaults and where those come from, and
how it can be wrong. `[detectors.NAME]` in the configuration sets the keys, `[rules."SLUG"]` the action of one rule;
`sipsensor rules` lists every rule with the action that it has here.

A *packet* that a rule drops is that packet alone. A *cut* lasts: it covers one account from one source, a source, or
its network, and only evidence that nobody can send in another's name makes one ([threat model](threat-model.md)). Who
is *known* (the PBX accepted this account from this source in the last two weeks) or *trusted* (registered from this
very address and port) pays none of the limits that say "strangers". Retransmissions are never counted.

Do not edit this page: `make reference` makes it from the program.
"""


@dataclass(frozen=True, slots=True)
class About:
    """The words on one detector."""

    sees: str
    needs: str
    wrong: str
    """How it can be wrong, and what to do then."""
    drops: dict[int, str] = field(default_factory=dict)
    """By rule: what it drops or cuts."""
    sources: dict[str, str] = field(default_factory=dict)
    """By setting: where its default comes from."""


_SIZE = "memory: one entry is 32 to 64 bytes"

ABOUT = {
    "scanner": About(
        sees="""What attack tools write and phones do not: their names, the way they make tags, branches and Call-IDs, the order
                    of their header fields. One packet is enough. All of it is data: [the
                    signatures](reference/signatures.md) with their own words on mistakes.""",
        needs="The head of one message, in either direction; no state.",
        wrong="""Somebody audits his own PBX with such a tool: put his address into `trust.allowlist`. A home-made client copies
                    a tool's name: silence that rule. A signature of medium confidence never drops alone:
                    several within some minutes from one `address . port` do, and then only packets that carry
                    one themselves, and never those of an account that is known from there.""",
    ),
    "malformed": About(
        sees="""Shapes that no lawful sender makes or that crash receivers: no header at all, NUL bytes, a Content-Length that
                    cannot be, a CSeq of another method. And a Via of a stranger whose maddr has the PBX answer somebody else
                    (RFC 3261 18.2.2): Asterisk sends its challenge there. What is merely sloppy alerts.""",
        needs="""The head of one whole datagram towards the PBX. TCP segments begin anywhere, so they are not judged here. For
                    maddr also the standing of who sends it: it is looked at where he is a stranger, and lawful where it is
                    his own address, or the multicast group that he sent to.""",
        wrong="""A device with a bug of its own. The rules that drop have no known product behind them; of those that alert
                    several have (a SIP helper in a router that rewrites the body and not its length).
                    `sipsensor explain` shows the shape and where it stands; `[rules."…"] action = "alert"` lets it
                    pass. A device behind NAT that writes its inner address, or a name, as maddr is dropped while it is a
                    stranger: let `evasion.via.maddr` alert, or `sipsensor trust` its address.""",
    ),
    "guessing": About(
        sees="""Credentials. Each try is charged when it arrives and given back when the PBX accepts it (or says that only the
                    nonce was old), so a lawful phone pays nothing and no pace buys a try. Who tries on a nonce
                    that went to his address alone pays for himself: for that account from that source, for all
                    accounts new at that source, for his network. All others (no nonce of ours, a shared one,
                    another's) share one bucket for each account.""",
        needs="""Requests with credentials, and the PBX's answers. Where no answer comes by (a capture of one direction) the
                    budget of a pair is `blind_factor` times as large and the evidence says `replies: not seen`;
                    then nothing is cut.""",
        wrong="""**A phone with an old password** spends its pair's budget and is cut: it alone, not its office. Once the
                    password is right it is in with the next probe (at most 55 s) where it was accepted from
                    that address before; where it never was, the cut has to end or to be lifted. **A shared
                    account** with a wrong password on one of several devices behind the same address: all of
                    them are one pair until they are registered. **Many tenants with equal extension numbers**
                    share `account_everywhere`. **A PBX that never says `stale=true`**: old nonces look like
                    wrong passwords; they are given back when the next try with the same Call-ID is accepted.""",
        drops={
            5004: "the try; after 5 refusals that were seen, a cut of this account from this source",
            5005: "the try; after half of the budget was seen refused, a cut of the source",
            5104: "the try; never a cut, because anybody could have sent it",
            5105: "the try of a stranger; whoever the account is known from goes on",
            5205: "the try; more than eight sources of one network that are cut within an hour cut the network (rule 5901)",
            5204: "nothing: it tells you to change a password that may have been guessed",
        },
        sources={
            "account": "fail2ban's asterisk and freeswitch jails: 10 failures in 10 minutes",
            "account_sustained": "20 failures a day (FreePBX blocks 100 packets a day, which is about 20 transactions)",
            "account_everywhere": "a botnet of 60 addresses made 232,351 requests in a day; this leaves it 2,400 for one account",
            "unproven": "as account: nobody gains by proving nothing",
            "source": "10 accounts with failures in 10 minutes are a spray; three tries for each",
            "source_names": "CrowdSec and sipnab: 5 distinct users in seconds; 6 leaves a new site room",
            "network": "four such sources",
            "blind_factor": "a third of lawful registrations is challenged twice at most",
            "office": "the smallest office with its own address has about four phones",
            "office_ceiling": "16 times 4 = 64 phones, the largest office that was tried",
            "entries": _SIZE,
        },
    ),
    "enumeration": About(
        sees="""Account names that the PBX never accepted, in any request: who tries out which extensions exist. A name is
                    charged when a sender first uses it, and given back when the PBX takes the request
                    (credentials accepted, the call rings, the OPTIONS answered).""",
        needs="""Requests towards the PBX, and its answers to give back what was charged. A source whose calls without
                    credentials the PBX takes is a provider: for an hour after each such call no caller's number
                    is charged to it.""",
        wrong="""**A provider that is known by its address alone** and begins the day with many calls that are all refused: list
                    it under `trust.trunks`. **More than 20 new phones behind one port** (a proxy in front):
                    list it under `network.proxies`. **A mass rollout**: each new phone is charged until its
                    first registration is accepted, which is a moment. While the budget of all strangers is
                    spent, new names wait and known ones do not.""",
        drops={
            5002: "that request",
            5102: "that request; names that the PBX accepted before always pass, and whatever a registered phone asks for",
        },
        sources={
            "sender": "20 distinct users are a slow scan in FreePBX's and CrowdSec's measures",
            "strangers": "five such senders; a site provisions fewer phones than that in an hour that are refused",
            "entries": _SIZE,
        },
    ),
    "handshakes": About(
        sees="""Requests that the PBX challenges and whose sender never comes back with credentials. Each costs the PBX an
                    answer and tells that somebody is there.""",
        needs="Requests without credentials, the PBX's answers, and whether credentials came on a nonce that went there.",
        wrong="""Many lines behind one port whose first packets are lost: they send again. An IPv6 office is one sender (its
                    /64), so 60 unfinished a minute are those of all its phones together; known accounts are not
                    charged.""",
        drops={5003: "that request; never a cut"},
        sources={
            "sender": """one address and port is one phone, which registers 2.7 times a minute at most; room for an office of 60 on one IPv6
                /64""",
            "entries": _SIZE,
        },
    ),
    "flood": About(
        sees="Too many transactions of one source (REGISTER, INVITE, any), and too many REGISTERs for one AOR.",
        needs="Requests towards the PBX. To drop, also its answers: what became of the source's last 64 requests.",
        wrong="""A rate alone is no attack: a carrier's trunk and an office after a power cut pass any of these limits. So rates
                    alert, and what is beyond them is dropped only of senders who are proven, neither known nor
                    trusted, and refused more often than accepted. An office has more room the more of its
                    accounts were accepted. Raise the limits where alerts of a carrier disturb, or list it under
                    `trust.trunks`.""",
        drops={
            5008: "nothing",
            5108: "nothing",
            5009: "nothing",
            5010: "nothing",
            5110: "the packet beyond the limit; never a cut",
        },
        sources={
            "register_source": "measured lawful peak 2.7 a minute of one address; room for a site that reboots",
            "register_source_sustained": "Emerging Threats' rule: 100 in 60 s",
            "register_aor": "one account registers a few times a minute at most",
            "invite_source": "Kamailio's sample configuration: 16 messages in 2 s",
            "invite_source_sustained": "Emerging Threats' rule: 100 in 60 s",
            "source": "Kamailio's pike: 30 in 2 s with its burst of twice that",
            "office": "as guessing",
            "office_ceiling": "as guessing",
            "outcomes_seconds": "as long as a ban of fail2ban",
            "sources_max": _SIZE,
        },
    ),
    "frames": About(
        sees="""IAX2 that costs the PBX an answer and comes from nobody it knows: POKE, calls and registrations begun without a
                    call token, frames of no call, firmware; the same frame again and again; frames that cannot be read.""",
        needs="Frames towards the PBX. The PBX's own tell which calls there are, and to whom it gave tokens.",
        wrong="""A peer that is neither registered nor listed, and whose calls the sensor did not see begin: its media passes where
                    the PBX speaks to it, too, its signalling up to a limit. List it under `trust.trunks`.""",
        drops={
            5026: "the packet beyond the limit; never a cut",
            5027: "the packet beyond the limit; never a cut",
            5030: "the packet beyond the limit; never a cut",
            5031: "that packet",
            5032: "nothing",
            5132: "the packet beyond the limit; never a cut",
            5033: "the packet beyond ten of the same in ten seconds",
            4031: "that packet, unless it is of a call that is known: an encrypted one cannot be read",
        },
        sources={
            "pokes": "an honest peer qualifies once a minute; POKE needs no token, so it is what forgers reflect (AST-2008-010)",
            "calls": "what a trunk of a small office makes; AST-2007-018",
            "calls_sustained": "Asterisk gives one address 2,048 numbers and none of them anew within 60 s (AST-2009-006)",
            "tokens": "a peer asks once for each call and registration, and comes back with what it got",
            "unknown": "for some seconds after a restart of either side such frames are lawful",
            "entries": _SIZE,
        },
    ),
}


def render() -> str:
    """The page, with its last line end."""
    lines = [HEAD]
    for kind in DETECTORS:
        settings = defaults().detectors[kind.name]
        # Rules of the scanner are data and have a page of their own.
        rules = vars(kind).get("rules", ())
        # Those of the scanner are its signatures', which an instance knows.
        rules = rules if isinstance(rules, tuple) else ()
        lines += _detector(kind, ABOUT[kind.name], settings, rules)
    return "\n".join(lines).rstrip() + "\n"


def _detector(kind: type[Detector], about: About, settings: Any, rules: Sequence[Rule]) -> Iterator[str]:  # noqa: ANN401
    yield f"## {kind.name}\n"
    yield f"**Sees.** {_flat(about.sees)}\n"
    yield f"**Needs.** {_flat(about.needs)}\n"
    yield f"**How it can be wrong.** {_flat(about.wrong)}\n"
    if rules:
        yield "| id | rule | what | action | drops or cuts |"
        yield "| --- | --- | --- | --- | --- |"
        for rule in sorted(rules, key=lambda rule: rule.id):
            yield f"| {rule.id} | `{rule.slug}` | {rule.name} | {rule.action} | {_drops(about, rule)} |"
        yield ""
    yield f"| `[detectors.{kind.name}]` | default | what it does | where the default comes from |"
    yield "| --- | --- | --- | --- |"
    for item in fields(settings):
        value = getattr(settings, item.name)
        default = "not set" if value is None else f"`{toml(value)}`"
        source = "each rule has its own" if item.name == "action" else _flat(about.sources[item.name])
        yield f"| `{item.name}` | {default} | {item.metadata['doc']} | {source} |"
    yield ""


def _drops(about: About, rule: Rule) -> str:
    if rule.id in about.drops:
        return about.drops[rule.id]
    return "that packet" if rule.action is Action.DROP else "nothing"


def _flat(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    sys.stdout.write(render())
