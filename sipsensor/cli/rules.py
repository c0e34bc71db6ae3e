"""``sipsensor rules``: every rule that can fire, of signatures and of detectors."""

from __future__ import annotations

import json
from pathlib import Path

import click

from sipsensor.app import actions_of, build_detectors, load_signatures, rules_of
from sipsensor.cli import options, output


@click.command("rules")
@options.config
@click.option("--json", "as_json", is_flag=True, help="One JSON object per rule and line.")
def command(config_file: Path | None, as_json: bool) -> None:  # noqa: FBT001 - click's flags
    """List every rule that can fire, with what it does in this configuration."""
    settings = options.settings_of(config_file)
    rules = rules_of(build_detectors(settings, load_signatures(settings)))
    actions = actions_of(settings, rules)
    if as_json:
        for rule in rules:
            known = {
                "id": rule.id,
                "slug": rule.slug,
                "rev": rule.rev,
                "name": rule.name,
                "detector": rule.detector,
                "family": str(rule.family),
                "severity": rule.severity,
                "confidence": str(rule.confidence),
                "action": str(actions.get(rule.slug, rule.action)),
                "reason": str(rule.reason),
                "spoofable": rule.spoofable,
            }
            click.echo(json.dumps(known))
        return
    output.table(
        f"{len(rules)} rules",
        ("id", "rule", "detector", "action", "confidence", "severity", "name"),
        (
            (
                rule.id,
                rule.slug,
                rule.detector,
                actions.get(rule.slug, rule.action),
                rule.confidence,
                rule.severity,
                rule.name,
            )
            for rule in rules
        ),
    )
