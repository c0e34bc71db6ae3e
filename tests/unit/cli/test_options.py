from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from sipsensor.cli import options
from sipsensor.config.errors import ConfigError
from sipsensor.config.load import defaults
from sipsensor.model import Mode


@click.command()
@options.protected
def show(protected: tuple[str, ...]) -> None:
    click.echo(" ".join(protected))


def test_networks_may_be_repeated_and_listed() -> None:
    line = ["--protected", "192.0.2.1", "--protected", "10.0.0.0/8,2001:db8::/32"]
    assert CliRunner().invoke(show, line).output == "192.0.2.1/32 10.0.0.0/8 2001:db8::/32\n"
    assert CliRunner().invoke(show, []).output == "\n"


@pytest.mark.parametrize("text", ["x", "10.0.0.1/8", "192.0.2.1,y"])
def test_what_is_no_network_is_refused_with_a_remedy(text: str) -> None:
    result = CliRunner().invoke(show, ["--protected", text])
    assert result.exit_code == 2
    assert "write" in result.output


def test_settings_come_from_the_file_or_are_the_defaults(tmp_path: Path) -> None:
    assert options.settings_of(None) == defaults()
    file = tmp_path / "x.toml"
    file.write_text("mode = 'enforce'")
    assert options.settings_of(file).mode is Mode.ENFORCE
    with pytest.raises(ConfigError):
        options.settings_of(tmp_path / "nowhere")
