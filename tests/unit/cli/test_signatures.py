from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sipsensor.cli import main

LOCAL = """
[[rule]]
id = 9001
slug = "scanner.local.user-agent"
rev = 1
name = "A probe"
protocol = "sip"
direction = "inbound"
match = { kind = "equal", field = "user-agent", value = "my-probe" }
confidence = "high"
severity = 2
action = "drop"
references = [{ kind = "source", text = "its source" }]
false_positives = "None known."
since = "0.1.0"
modified = 2026-11-22
samples.match = [
    { name = "one", text = "OPTIONS sip:a@b SIP/2.0\\nUser-Agent: my-probe\\n\\n" },
    { name = "two", text = "REGISTER sip:b SIP/2.0\\nUser-Agent: my-probe\\n\\n" },
]
samples.pass = [
    { name = "three", text = "OPTIONS sip:a@b SIP/2.0\\nUser-Agent: my-probes\\n\\n" },
    { name = "four", hex = "4f5054494f4e53" },
]
"""


class Ran:
    """What a command gave."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    @property
    def objects(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: ANN401
    def ran(*arguments: str | Path) -> Ran:
        capfd.readouterr()
        command: Sequence[str] = ["sipsensor", "signatures", *map(str, arguments)]
        monkeypatch.setattr("sys.argv", command)
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        return Ran(int(ended.value.code or 0), out, err)

    return ran


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "local.toml").write_text(LOCAL)
    return tmp_path


def test_list(run: Any) -> None:  # noqa: ANN401
    ran = run("list")
    assert (ran.code, ran.err) == (0, "")
    assert any(line.split()[:2] == ["1001", "scanner.sipvicious.user-agent"] for line in ran.out.splitlines())


def test_list_as_json_with_a_directory(run: Any, directory: Path) -> None:  # noqa: ANN401
    ran = run("list", "--directory", directory, "--json")
    assert ran.code == 0
    assert ran.objects[-1]["slug"] == "scanner.local.user-agent"
    assert len(ran.objects) == len(run("list", "--json").objects) + 1


def test_the_directories_of_the_configuration(run: Any, directory: Path) -> None:  # noqa: ANN401
    config = directory / "sipsensor.conf"
    config.write_text(f'[signatures]\ndirectories = ["{directory}"]\n')
    assert run("list", "--config", config, "--json").objects[-1]["id"] == 9001


@pytest.mark.parametrize("rule", ["2005", "scanner.svwar.tag"])
def test_show(run: Any, rule: str) -> None:  # noqa: ANN401
    ran = run("show", rule)
    assert ran.code == 0
    assert "from.tag hides the From user, as SIPVicious does" in ran.out
    assert "Sample that must match: svwar 0.3.3 REGISTER\n  REGISTER sip:10.99.0.2 SIP/2.0\n" in ran.out
    assert "Sample that must pass: the tag of another user" in ran.out


def test_show_as_json(run: Any) -> None:  # noqa: ANN401
    (found,) = run("show", "2006", "--json").objects
    assert found["match"] == {"kind": "equal", "field": "from.tag", "value": "3206210844", "cased": True}
    assert len(found["samples"]["match"]) >= 2


@pytest.mark.parametrize("arguments", [("show", "1"), ("test", "no.such.rule"), ("show",), ("list", "--colour")])
def test_wrong_usage_is_one_line(run: Any, arguments: tuple[str, ...]) -> None:  # noqa: ANN401
    ran = run(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert len(ran.err.splitlines()) == 1
    assert ran.err.startswith("sipsensor: ")


def test_test_all(run: Any) -> None:  # noqa: ANN401
    ran = run("test")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.endswith("messages tried, 0 with the wrong answer\n")


def test_test_one_as_json(run: Any, directory: Path) -> None:  # noqa: ANN401
    ran = run("test", "9001", "--directory", directory, "--json")
    *results, last = ran.objects
    assert ran.code == 0
    assert last == {"summary": {"signatures": 1, "messages": len(results), "failed": 0}}
    assert {result["slug"] for result in results} == {"scanner.local.user-agent"}
    assert all(result["ok"] for result in results)


def test_a_wrong_sample_is_exit_1_and_shown(run: Any, directory: Path) -> None:  # noqa: ANN401
    (directory / "local.toml").write_text(LOCAL.replace("my-probes", "my-probe"))
    ran = run("test", "9001", "--directory", directory)
    assert ran.code == 1
    assert "9001 scanner.local.user-agent: sample three: must pass, but scanner.local.user-agent fires\n" in ran.out
    assert "  User-Agent: my-probe\n" in ran.out
    assert ran.out.endswith(" 1 with the wrong answer\n")
    *_, failed, _ = (
        [found for found in run("test", "9001", "--directory", directory, "--json").objects if not found.get("ok")],
        None,
    )
    assert failed[0]["problem"] == "must pass, but scanner.local.user-agent fires"
    assert bytes.fromhex(failed[0]["hex"]).startswith(b"OPTIONS ")


def test_a_broken_file_is_exit_2_with_a_line_for_each_problem(run: Any, directory: Path) -> None:  # noqa: ANN401
    (directory / "local.toml").write_text(LOCAL.replace("rev = 1", "rev = 0").replace('"its source"', "3"))
    ran = run("test", "--directory", directory)
    assert (ran.code, ran.out) == (2, "")
    where = f"sipsensor: {directory}/local.toml: rule 9001 scanner.local.user-agent: "
    assert [line.removeprefix(where) for line in ran.err.splitlines()] == [
        "rev: 0 is not from 1 to 9999",
        "references[0].text: 3 is not text; write text",
    ]


def test_control_characters_of_samples_are_escaped(run: Any, directory: Path) -> None:  # noqa: ANN401
    hostile = b"OPTIONS sip:a@b SIP/2.0\r\nUser-Agent: \x1b[31m\r\n\r\n".hex()
    (directory / "local.toml").write_text(LOCAL.replace("4f5054494f4e53", hostile))
    ran = run("show", "9001", "--directory", directory)
    assert "User-Agent: \\x1b[31m" in ran.out
    assert "\x1b" not in ran.out


def test_the_example_of_the_documentation_does_what_it_says(run: Any, tmp_path: Path, repository: Path) -> None:  # noqa: ANN401
    page = (repository / "docs" / "signatures.md").read_text()
    example = re.search(r"```toml\n(\[\[rule\]\]\nid = 9001\n.*?)```", page, re.DOTALL)
    said = re.search(r"\$ sipsensor signatures test 9001 --directory \S+\n(.*\n)", page)
    assert example is not None
    assert said is not None
    (tmp_path / "acme.toml").write_text(example[1])
    ran = run("test", "9001", "--directory", tmp_path)
    assert (ran.code, ran.out) == (0, said[1])
