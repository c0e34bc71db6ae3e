"""Whose the credentials of a request are.

Where a text is not as RFC 3261 25.1 has it, stacks read it differently: of a parameter that stands twice some take the first and some the
last, some take a space or a semicolon for a comma, some know no escapes. Whoever writes so wants to be charged for one account and judged
for another; all such texts have one account together, as strict as any, and no two of them are ever the same try.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipsensor.fastpath import names

if TYPE_CHECKING:
    from sipsensor.fastpath import examine

_FIELDS = (names.FIELDS["authorization"], names.FIELDS["proxy-authorization"])
_USERNAME = names.FIELDS["auth.username"]
_UNCLEAR = b"credentials that may be read in two ways"
_MOST = 4
"""Credentials in one request: its PBX's and those of proxies before it (RFC 3261 22.3). More are there to fill tables."""


def accounts(examined: examine.Examined, name: int) -> list[int]:
    """Keys of the names that credentials are for, at least one: ``name``, a key, for those without any username (RFC 8898). What follows an
    "@" is a domain, which Kamailio takes beside the bare name: with one for each try, each would be another account's.
    """
    plain = examined.plain_username()
    if plain:
        return [plain]
    users, texts = examined.values(_USERNAME), [text.lower() for text in _texts(examined)]
    if not users and not any([b"username" in text for text in texts]):  # noqa: C419 - compiled code makes no generators
        return [name or 1]
    if not _is_clear(users, texts):
        return [examined.key(_UNCLEAR)]
    if len(users) > _MOST:
        return [examined.key(_UNCLEAR)]
    if len(users) == 1 and b"@" not in users[0]:
        return examined.keys(_USERNAME)
    return sorted({examined.key(user.lower().partition(b"@")[0] or user.lower()) for user in users})


def _texts(examined: examine.Examined) -> list[bytes]:
    www, proxy = _FIELDS
    return examined.occurrences(www) + examined.occurrences(proxy)


def _is_clear(users: list[bytes], texts: list[bytes]) -> bool:
    """One username in each, and no doubt where it ends."""
    if len(users) != len(texts):
        return False
    for user in users:
        if b"=" in user or b'"' in user:
            return False
    for text in texts:  # noqa: SIM110 - compiled code makes no generators
        if text.count(b"username") != 1 or b'\\"' in text:
            return False
    return True
