from sipsensor.config.errors import ConfigError


def test_it_keeps_every_line_and_is_their_text() -> None:
    error = ConfigError(["a.toml: x: wrong; mend it", "a.toml: y: wrong; mend it"])
    assert error.lines == ("a.toml: x: wrong; mend it", "a.toml: y: wrong; mend it")
    assert str(error).splitlines() == list(error.lines)
