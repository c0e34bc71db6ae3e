"""``sipsensor signatures``: list them, show one, and try them on their samples."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from sipsensor.cli import options, output
from sipsensor.cli.main import NO
from sipsensor.export.events.text import shown
from sipsensor.signatures import Signature, compile_signatures, load
from sipsensor.signatures.describe import as_object, lines_of
from sipsensor.signatures.trial import Result, Trial

_directories = click.option(
    "--directory",
    "directories",
    type=click.Path(path_type=Path, file_okay=False),
    multiple=True,
    metavar="DIRECTORY",
    help="Read the rules of this directory, too; may be repeated. Besides signatures.directories.",
)
_json = click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")


@click.group("signatures")
def command() -> None:
    """List, show and test signatures."""


@command.command("list")
@options.config
@_directories
@_json
def list_(config_file: Path | None, directories: tuple[Path, ...], as_json: bool) -> None:  # noqa: FBT001 - click's flags
    """List the signatures in use."""
    signatures = _load(config_file, directories)
    if as_json:
        for signature in signatures:
            known = as_object(signature)
            click.echo(
                json.dumps(
                    {key: value for key, value in known.items() if key not in ("samples", "match", "references")}
                )
            )
        return
    output.table(
        f"{len(signatures)} signatures",
        ("id", "rule", "rev", "action", "confidence", "severity", "samples", "name"),
        (
            (
                one.id,
                one.slug,
                one.rev,
                one.action,
                one.confidence,
                one.severity,
                len(one.positive) + len(one.negative),
                one.name,
            )
            for one in signatures
        ),
    )


@command.command("show")
@click.argument("rule", metavar="RULE")
@options.config
@_directories
@_json
def show(rule: str, config_file: Path | None, directories: tuple[Path, ...], as_json: bool) -> None:  # noqa: FBT001 - click's flags
    """Show one signature with its samples. RULE is its id or its slug."""
    signature = _find(_load(config_file, directories), rule)
    if as_json:
        click.echo(json.dumps(as_object(signature)))
        return
    output.pairs(f"{signature.id} {signature.slug}: {signature.name}", _said(signature))
    click.echo("\nMatches when\n" + "\n".join(f"  {line}" for line in lines_of(signature.match)))
    for title, samples in (("must match", signature.positive), ("must pass", signature.negative)):
        for sample in samples:
            click.echo(f"\nSample that {title}: {sample.name}")
            for line in sample.payload.decode("utf-8", "backslashreplace").splitlines():
                click.echo(f"  {shown(line)}".rstrip())


@command.command("test")
@click.argument("rules", nargs=-1, metavar="[RULE]...")
@options.config
@_directories
@_json
def test(*, rules: tuple[str, ...], config_file: Path | None, directories: tuple[Path, ...], as_json: bool) -> None:
    """Try signatures on their samples; exit 1 when one fails.

    A sample that must match is tried in its evasion variants as well. A sample that must pass may fire neither its own
    rule nor any rule of high confidence. Without RULE (ids or slugs) all are tried.
    """
    signatures = _load(config_file, directories)
    wanted = frozenset(_find(signatures, rule).id for rule in rules)
    compiled = compile_signatures(signatures)
    tried, failed = 0, []
    for result in Trial(compiled).run(wanted):
        tried += 1
        if result.problem:
            failed.append(result)
        if as_json:
            click.echo(json.dumps(_result_object(result)))
    if as_json:
        click.echo(
            json.dumps(
                {"summary": {"signatures": len(wanted) or len(signatures), "messages": tried, "failed": len(failed)}}
            )
        )
    else:
        _tell(failed, len(wanted) or len(signatures), tried)
    if failed:
        raise click.exceptions.Exit(NO)


def _load(config_file: Path | None, directories: Sequence[Path]) -> tuple[Signature, ...]:
    settings = options.settings_of(config_file)
    return load([*map(Path, settings.signatures.directories), *directories])


def _find(signatures: Sequence[Signature], rule: str) -> Signature:
    for signature in signatures:
        if rule in (str(signature.id), signature.slug):
            return signature
    raise click.UsageError(f"{shown(rule)} is no signature in use; see sipsensor signatures list.")


def _said(signature: Signature) -> Iterator[tuple[str, object]]:
    yield "file", signature.file
    yield "revision", f"{signature.rev}, since {signature.since}, changed {signature.modified}"
    yield "direction", "both" if signature.direction is None else signature.direction.name.lower()
    yield (
        "looks at",
        ", ".join(signature.methods) or (f"{signature.when}s" if signature.when else "requests and responses"),
    )
    yield "confidence", signature.confidence
    yield "severity", signature.severity
    yield "action", signature.action
    yield "false positives", signature.false_positives
    for reference in signature.references:
        yield "reference", f"{reference.kind}: {reference.text}"


def _result_object(result: Result) -> dict[str, object]:
    made: dict[str, object] = {
        "id": result.rule,
        "slug": result.slug,
        "sample": result.sample,
        "variant": result.variant,
        "ok": not result.problem,
    }
    return made | ({"problem": result.problem, "hex": result.payload.hex()} if result.problem else {})


def _tell(failed: Sequence[Result], signatures: int, tried: int) -> None:
    for result in failed:
        variant = f", {result.variant}" if result.variant else ""
        click.echo(f"{result.rule} {result.slug}: sample {shown(result.sample)}{variant}: {result.problem}")
        for line in result.payload.decode("utf-8", "backslashreplace").splitlines():
            click.echo(f"  {shown(line)}".rstrip())
    click.echo(
        f"{signatures} signature{'s' * (signatures != 1)}, {tried:,} messages tried, {len(failed)} with the wrong answer"
    )
