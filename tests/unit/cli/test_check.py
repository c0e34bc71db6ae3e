from pathlib import Path

from tests.unit.cli.conftest import Command, Program


def test_the_defaults_are_good(command: Command) -> None:
    text = command("check").output
    assert text.startswith("built-in defaults: good\n")
    assert "observe: accept everything, and tell what it would have dropped" in text


def test_it_says_what_a_file_would_do(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text(
        "mode = 'enforce'\n[network]\nprotected = ['192.0.2.10']\nsip_ports = [5060, 5080]\n"
        "[trust]\nallowlist = ['198.51.100.0/24']\n[events]\nfile = '-'\n[metrics]\nlisten = ''\n"
        "[rules.'flood.any.source']\naction = 'off'\n"
    )
    text = command("check", "--config", file).output
    for line in (
        f"{file}: good",
        "enforce: act: drop what rules that drop match",
        "192.0.2.10",
        "5060, 5080",
        "198.51.100.0/24",
        "off, by itself alert",
    ):
        assert line in text


def test_every_fault_is_a_line_and_exit_2(program: Program, tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text("mode = 'x'\ny = 1\n[queue]\nfirst = -1\n")
    done = program("check", "--config", file, code=2)
    lines = done.stderr.splitlines()
    assert done.stdout == ""
    assert len(lines) >= 2
    assert all(line.startswith(f"sipsensor: {file}: ") for line in lines)


def test_certificates_of_the_metrics_are_checked(program: Program, tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text("[metrics]\ncertificate = '/no/such.pem'\nkey = '/no/such.key'\n")
    done = program("check", "--config", file, code=2)
    assert done.stderr.startswith("sipsensor: metrics.certificate: /no/such.pem: No such file or directory; name a PEM")


def test_signatures_and_rules_are_checked_too(program: Program, tmp_path: Path) -> None:
    folder = tmp_path / "signatures"
    folder.mkdir()
    (folder / "mine.toml").write_text("[[rule]]\nid = 1\n[[rule]]\nslug = 'x'\n")
    file = tmp_path / "x.toml"
    file.write_text(f"[signatures]\ndirectories = ['{folder}']\n")
    lines = program("check", "--config", file, code=2).stderr.splitlines()
    assert len(lines) > 2
    assert all("mine.toml" in line for line in lines)
    file.write_text("[rules.'no.such.rule']\naction = 'off'\n[rules.'nor.this.one']\naction = 'off'\n")
    lines = program("check", "--config", file, code=2).stderr.splitlines()
    assert [line.split('"')[1] for line in lines] == ["no.such.rule", "nor.this.one"]
