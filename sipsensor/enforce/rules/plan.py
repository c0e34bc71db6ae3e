"""What the kernel rules are to do, as data: one plan makes the nft table, the queueing rules and the script for an operator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from typing import Literal

Backend = Literal["nftables", "iptables", "none"]
"""Which tool the queueing rules were made with; the table is nft's in any case. ``none``: the operator keeps all rules."""

WORD = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class KernelPlan:
    """What the rules of one sensor do. Networks are texts in CIDR form, of both IP versions mixed."""

    placement: Literal["host", "gateway"]
    queue: int
    """Of strangers; the trusted have the next number."""
    ports: tuple[int, ...]
    """SIP and IAX2 ports of the protected."""
    protected: tuple[str, ...]
    """Whose signalling is queued. Empty: every address that the hook sees."""
    inside: tuple[str, ...]
    """Gateway: names of the interfaces that lead to the protected."""
    trusted: tuple[str, ...]
    """Whom the operator trusts: their packets go to the trusted queue."""
    bypass: tuple[bool, bool]
    """For strangers, for the trusted: packets are accepted while nobody serves the queue; without it they are dropped."""
    rate: int
    """Packets a second of strangers that are admitted to their queue."""
    overflow: Literal["drop", "accept"]
    """What happens to those above the rate."""
    mark: int
    """Two bits of the packet mark that are ours: the lower says "trusted", the upper "do not queue"."""
    proxies: tuple[str, ...] = ()
    """Strangers who carry many clients, and have no limit of their own."""
    source_rate: int = 0
    """Packets a second of one stranger (IPv4 address, IPv6 /64) that are admitted; 0: as many as of all."""
    trusted_rate: int = 0
    """Packets a second of one registered address and port that take the trusted queue; the rest takes the strangers'. 0: all."""
    trunk_rate: int = 0
    """The same for one address (IPv6 /64) of those whom the operator trusts."""

    @property
    def queues(self) -> tuple[int, int]:
        """The numbers of the strangers' and of the trusted queue."""
        return self.queue, self.queue + 1

    @property
    def trusted_bit(self) -> int:
        """The mark of packets for the trusted queue. A mark that somebody erased means the strangers' queue, the safe one."""
        return self.mark & -self.mark

    @property
    def skip_bit(self) -> int:
        """The mark of packets that are let through without a look."""
        return self.mark & (self.mark - 1)

    @property
    def others_bits(self) -> int:
        """The bits of the mark that are not ours."""
        return WORD & ~self.mark


def networks(texts: Sequence[str], version: int) -> tuple[str, ...]:
    """The networks of one IP version, none inside another, in order: what an interval set takes."""
    parsed = [ip_network(text, strict=False) for text in texts]
    if version == 4:  # noqa: PLR2004
        return tuple(map(str, collapse_addresses(net for net in parsed if isinstance(net, IPv4Network))))
    return tuple(map(str, collapse_addresses(net for net in parsed if isinstance(net, IPv6Network))))
