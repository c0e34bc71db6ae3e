"""What the kernel rules have to do, read off the settings: the one place where the two meet."""

from __future__ import annotations

from collections.abc import Sequence

from sipsensor.config.errors import ConfigError
from sipsensor.config.settings import Fallback, Placement, Settings
from sipsensor.enforce.rules import KernelPlan
from sipsensor.live.page import Lane
from sipsensor.model import Mode
from sipsensor.sources.interfaces import inside_names

_UNQUOTABLE = set('"\\*\n')


def kernel_plan(settings: Settings, trusted: Sequence[str] = ()) -> KernelPlan:
    """The plan for this machine; ``trusted`` are networks besides the allowlist. A gateway's routes are looked up now.

    In observe mode the rules never drop: neither above the rate nor while the sensor is dead. Raises ConfigError when an interface that
    is needed does not exist, or cannot be found by the routes.
    """
    network, queue = settings.network, settings.queue
    gateway = network.placement is Placement.GATEWAY
    # Only where somebody is named: on a host, public addresses alone must not take the place of "every own address".
    protected = (*network.protected, *network.public) if network.protected else ()
    return KernelPlan(
        placement="gateway" if gateway else "host",
        queue=queue.first,
        ports=tuple(sorted({*network.sip_ports, *network.iax2_ports})),
        protected=protected,
        inside=_quotable(inside_names(network.inside, network.protected)) if gateway else (),
        trusted=(*settings.trust.allowlist, *(text for text in trusted if text not in settings.trust.allowlist)),
        bypass=(accepts_unserved(settings, Lane.STRANGERS), accepts_unserved(settings, Lane.TRUSTED)),
        rate=queue.stranger_rate,
        overflow="accept" if accepts_unjudged(settings, Lane.STRANGERS) else "drop",
        mark=queue.mark,
        proxies=network.proxies,
        source_rate=queue.source_rate,
        trusted_rate=queue.trusted_rate,
        trunk_rate=queue.trunk_rate,
    )


def accepts_unserved(settings: Settings, lane: Lane) -> bool:
    """Whether packets of a lane pass while nobody serves its queue: always in observe mode, else by ``failure.on_death``."""
    return _accepts(settings, settings.failure.on_death[lane])


def accepts_unjudged(settings: Settings, lane: Lane) -> bool:
    """Whether packets of a lane pass that cannot be judged in time: always in observe mode, else by ``failure.on_full``."""
    return _accepts(settings, settings.failure.on_full[lane])


def _accepts(settings: Settings, fallback: Fallback) -> bool:
    return settings.mode is Mode.OBSERVE or fallback is Fallback.ACCEPT


def _quotable(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if _UNQUOTABLE & set(name):
            raise ConfigError([f"network.inside: {name!r}: no rule can name this interface; rename it with ip link"])
    return names
