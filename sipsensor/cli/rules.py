"""``sipsensor rules``: the rules that can fire, of signatures and of detectors; and those of the kernel, to print, apply and remove."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Literal, cast

import click

from sipsensor.app import actions_of, build_detectors, load_signatures, rules_of
from sipsensor.cli import options, output
from sipsensor.cli.main import NO
from sipsensor.config.settings import QueueRules, Settings
from sipsensor.enforce.rules import Backend, KernelRules, Survey, kernel_script, survey
from sipsensor.live.plan import kernel_plan
from sipsensor.model import Mode
from sipsensor.sources.nfqueue import owner

How = Literal["auto"] | Backend

_json = click.option("--json", "as_json", is_flag=True, help="One JSON object per rule and line.")
_mode = click.option(
    "--observe/--enforce",
    "observe",
    default=None,
    help="The rules of that mode; in observe mode they never drop. In place of mode.",
)


@click.group("rules", invoke_without_command=True)
@options.config
@_json
@click.pass_context
def command(ctx: click.Context, config_file: Path | None, as_json: bool) -> None:  # noqa: FBT001 - click's flags
    """List every rule that can fire; print, apply or remove the rules of the kernel.

    Without a subcommand: list.
    """
    if ctx.invoked_subcommand is None:
        _list(options.settings_of(config_file), as_json=as_json)
    elif config_file is not None or as_json:
        raise click.UsageError(f"Options go behind the subcommand: sipsensor rules {ctx.invoked_subcommand} ....", ctx)


@command.command("list")
@options.config
@_json
def list_(config_file: Path | None, as_json: bool) -> None:  # noqa: FBT001 - click's flags
    """List every rule that can fire, with what it does in this configuration."""
    _list(options.settings_of(config_file), as_json=as_json)


@command.command("print")
@options.config
@_mode
@click.option(
    "--backend",
    type=click.Choice(["nftables", "iptables"]),
    help="Make the queueing rules with this; by default with what queue.rules names, or what this kernel can.",
)
def print_(config_file: Path | None, observe: bool | None, backend: str | None) -> None:  # noqa: FBT001
    """Print the kernel rules as a shell script, for review or for queue.rules = "none".

    The script may be run again at any time: it replaces what it made before, and touches nothing else.
    """
    settings = _settings(config_file, observe)
    known = survey()
    chosen = cast("Literal['nftables', 'iptables']", backend or _backend(settings, known))
    click.echo(kernel_script(kernel_plan(settings), chosen, known), nl=False)


@command.command("apply")
@options.config
@_mode
def apply(config_file: Path | None, observe: bool | None) -> None:  # noqa: FBT001
    """Put the kernel rules in place without a sensor; what failure.on_death says happens to packets then.

    A sensor that starts puts its own in their place, and takes them away when it ends.
    """
    settings = _settings(config_file, observe)
    named = settings.queue.rules
    how = QueueRules.AUTO if named is QueueRules.NONE else named
    rules = KernelRules(kernel_plan(settings), cast("How", how.value), owner)
    output.note(f"the kernel rules stand, queueing with {rules.install()}")
    for told in rules.blind_spots():
        output.note(told)


@command.command("remove")
@options.config
def remove(config_file: Path | None) -> None:
    """Remove the kernel rules of sipsensor, whoever made them. Exit 1 while a sensor needs them: it would put them back."""
    first = options.settings_of(config_file).queue.first
    serving = owner(first)
    if serving is not None:
        output.note(f"queue {first} is served by {serving}, which would put the rules back; stop it first")
        raise click.exceptions.Exit(NO)
    output.note("the kernel rules are removed" if KernelRules.clear() else "no kernel rules of sipsensor stand here")


def _settings(config_file: Path | None, observe: bool | None) -> Settings:  # noqa: FBT001
    settings = options.settings_of(config_file)
    if observe is None:
        return settings
    return replace(settings, mode=Mode.OBSERVE if observe else Mode.ENFORCE)


def _backend(settings: Settings, known: Survey) -> str:
    """The one that the configuration names; else nft where this kernel is known to have the statement for it."""
    named = settings.queue.rules
    if named in (QueueRules.NFTABLES, QueueRules.IPTABLES):
        return named.value
    return "nftables" if known.asked and known.features.queue else "iptables"


def _list(settings: Settings, *, as_json: bool) -> None:
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
    columns = ("id", "rule", "detector", "action", "confidence", "severity", "name")
    rows = (
        (one.id, one.slug, one.detector, actions.get(one.slug, one.action), one.confidence, one.severity, one.name)
        for one in rules
    )
    output.table(f"{len(rules)} rules", columns, rows)
