from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sipsensor.signatures import SignatureError, load

Write = Callable[..., Path]
LOCAL = (("id = 1001", "id = 9001"), ("scanner.probe.user-agent", "scanner.local.user-agent"))


def problems(*directories: Path, shipped: Path | None = None) -> tuple[str, ...]:
    with pytest.raises(SignatureError) as caught:
        load(directories, shipped=shipped)
    return caught.value.problems


def test_the_shipped_signatures_load_and_are_in_order() -> None:
    signatures = load()
    numbers = [signature.id for signature in signatures]
    assert len(signatures) >= 70
    assert numbers == sorted(set(numbers))
    files = ("sipvicious", "scanners", "test-tools", "iax2")
    assert {one.file for one in signatures} == {f"signatures/{name}.toml" for name in files}


def test_a_directory_adds_and_disables(write: Write) -> None:
    shipped = write((("id = 1001"), ("id = 1002")), name="more.toml")
    write(("scanner.probe", "scanner.other"), name="rules.toml")
    local = write(*LOCAL, directory="local")
    (local / "off.toml").write_text("disable = [1001]\n")
    assert [signature.id for signature in load([local], shipped=shipped)] == [1002, 9001]


def test_other_files_in_a_directory_are_left_alone(write: Write) -> None:
    shipped = write()
    (shipped / "README.md").write_text("not TOML [")
    assert len(load(shipped=shipped)) == 1


def test_nothing_shipped_is_an_error(tmp_path: Path) -> None:
    assert problems(shipped=tmp_path) == (
        "signatures: not one shipped rule was found; the installation is incomplete, install sipsensor again",
    )


def test_everything_disabled_is_an_error(write: Write) -> None:
    shipped = write()
    local = write(text="disable = [1001]", directory="local")
    assert problems(local, shipped=shipped) == ("signatures: every rule is disabled; leave at least one in use",)


def test_a_directory_that_is_not_there(write: Write, tmp_path: Path) -> None:
    (line,) = problems(tmp_path / "none", shipped=write())
    assert line == f"{tmp_path}/none: cannot be read (No such file or directory); name a directory of signature files"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id = ", "is not TOML (Invalid value"),
        ("rules = []", "rules: unknown key; known are disable, rule"),
        ("rule = 3", "rule: is not a list of tables; write [[rule]] before each one"),
        ("disable = 1001", "disable: 1001 is not a list; write a list"),
        ('disable = ["x"]', 'disable: "x" is not a rule\'s number'),
        ("disable = [true]", "disable: True is not a rule's number"),
        ("disable = [9001]", "disable: 9001 is a local rule; delete it instead"),
        ("disable = [1999]", "disable: no shipped rule has the number 1999; see sipsensor signatures list"),
    ],
)
def test_a_broken_file_is_one_line_that_names_it(write: Write, text: str, said: str) -> None:
    shipped = write()
    local = write(text=text, directory="local")
    (line,) = problems(local, shipped=shipped)
    assert line.startswith(f"{local}/rules.toml: ")
    assert said in line


def test_bytes_that_are_no_text(write: Write) -> None:
    shipped = write()
    (shipped / "rules.toml").write_bytes(b"name = '\xff'")
    assert problems(shipped=shipped) == ("signatures/rules.toml: is not UTF-8 text; save it as such",)


def test_a_file_that_is_too_large(write: Write) -> None:
    shipped = write()
    (shipped / "rules.toml").write_bytes(b"#" * (4 * 1024 * 1024 + 1))
    (line,) = problems(shipped=shipped)
    assert "is larger than 4194304 bytes; split it" in line


def test_shipped_files_cannot_disable(write: Write) -> None:
    (line,) = problems(shipped=write(text="disable = [1001]"))
    assert "disable: unknown key; known are rule" in line


def test_numbers_and_slugs_are_unique_over_all_files(write: Write) -> None:
    shipped = write()
    write(name="zz.toml")
    assert problems(shipped=shipped) == (
        (
            "signatures/zz.toml: rule 1001 scanner.probe.user-agent: id: 1001 is also that of scanner.probe.user-agent in "
            "signatures/rules.toml; take another"
        ),
        (
            'signatures/zz.toml: rule 1001 scanner.probe.user-agent: slug: "scanner.probe.user-agent" is also that of rule 1001 in '
            "signatures/rules.toml; take another"
        ),
    )


def test_local_rules_have_local_numbers_and_shipped_ones_do_not(write: Write) -> None:
    shipped = write(("id = 1001", "id = 9001"))
    local = write(("scanner.probe", "scanner.local"), directory="local")
    first, second = problems(local, shipped=shipped)
    assert (
        first == "signatures/rules.toml: rule 9001 scanner.probe.user-agent: id: 9001: this range is the operator's own"
    )
    assert second == f"{local}/rules.toml: rule 1001 scanner.local.user-agent: id: 1001: local rules start at 9000"


def test_all_that_is_wrong_is_said_at_once(write: Write) -> None:
    shipped = write(("severity = 2", "severity = 9"), ("rev = 1\n", ""))
    with pytest.raises(SignatureError) as caught:
        load(shipped=shipped)
    assert str(caught.value).splitlines() == list(caught.value.problems)
    assert len(caught.value.problems) == 2


def test_a_directory_may_be_text(write: Write) -> None:
    shipped = write()
    assert [one.id for one in load([str(write(*LOCAL, directory="local"))], shipped=shipped)] == [1001, 9001]
