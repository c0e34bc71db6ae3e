"""``sipsensor check``: whether the configuration is good, and what it would do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click

from sipsensor.app import actions_of, build_detectors, build_engine, load_signatures, rules_of
from sipsensor.cli import options, output
from sipsensor.config.settings import Settings
from sipsensor.export.metrics import Tls, tls_context
from sipsensor.model import Action, Mode, Rule


@click.command("check")
@options.config
def command(config_file: Path | None) -> None:
    """Check a configuration and its signatures, and tell what they would do.

    Exit 2, with a line for everything that is wrong, when the sensor would not start with it.
    """
    settings = options.settings_of(config_file)
    signatures = load_signatures(settings)
    rules = rules_of(build_detectors(settings, signatures))
    actions = actions_of(settings, rules)
    build_engine(settings, signatures=signatures)
    metrics = settings.metrics
    if metrics.certificate:
        tls_context(Tls(metrics.certificate, metrics.key, metrics.client_ca))
    click.echo(f"{config_file or 'built-in defaults'}: good")
    click.echo("")
    output.pairs("It would", _said(settings))
    click.echo("")
    output.pairs("Rules", _rules(rules, actions, len(signatures.all)))


def _said(settings: Settings) -> Iterator[tuple[str, object]]:
    network, failure = settings.network, settings.failure
    acts = (
        "act: drop what rules that drop match"
        if settings.mode is Mode.ENFORCE
        else "accept everything, and tell what it would have dropped"
    )
    yield "mode", f"{settings.mode}: {acts}"
    yield "placement", network.placement
    yield (
        "protected",
        ", ".join((*network.protected, *network.public)) or "the addresses of this host (replay: requests are inbound)",
    )
    yield "SIP ports", ", ".join(map(str, network.sip_ports))
    yield "never judge", ", ".join(settings.trust.allowlist) or "nobody"
    yield (
        "queues",
        f"{settings.queue.first} (strangers, {settings.queue.length} packets) and {settings.queue.first + 1} (trusted)",
    )
    yield "queue rules", settings.queue.rules
    for name, pair in (("on error", failure.on_error), ("when full", failure.on_full), ("when dead", failure.on_death)):
        yield name, f"{pair[0]} strangers, {pair[1]} the trusted"
    yield "events", settings.events.file or "none"
    yield "metrics", f"{settings.metrics.listen or 'none'}{', TLS' if settings.metrics.certificate else ''}"
    yield "control socket", settings.control.socket or "none"
    yield "quarantine", settings.quarantine.file or "none"


def _rules(rules: list[Rule], actions: dict[str, Action], signatures: int) -> Iterator[tuple[str, object]]:
    counted = Counter(actions.get(rule.slug, rule.action) for rule in rules)
    yield "all", f"{len(rules)}, {signatures} of them signatures"
    for action in (Action.DROP, Action.ALERT, Action.OFF):
        yield action, counted[action]
    for rule in rules:
        action = actions.get(rule.slug, rule.action)
        if action is not rule.action:
            yield rule.slug, f"{action}, by itself {rule.action}"
