from pathlib import Path

import pytest

from sipsensor.config.errors import ConfigError
from sipsensor.config.load import FILE_LIMIT, defaults, load, network_fault, parse, trunk_fault
from sipsensor.config.reference import keys
from sipsensor.config.settings import Fallback, QueueRules
from sipsensor.detect.flood import FloodSettings
from sipsensor.model import Action, Limit, Mode


def lines_of(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text, "f.toml")
    return list(caught.value.lines)


def test_an_empty_file_gives_every_default() -> None:
    assert parse("", "f.toml") == defaults()
    assert isinstance(defaults().detectors["flood"], FloodSettings)


def test_every_key_of_the_reference_is_taken_with_its_default_written_out() -> None:
    text, section = [], ""
    for key in keys():
        if key.section == 'rules."<slug>"' or key.default == "not set":
            continue
        if key.section != section:
            section = key.section
            text.append(f"[{section}]")
        text.append(f"{key.name} = {key.default}")
    assert len(text) > 30
    assert parse("\n".join(text), "f.toml") == defaults()


def test_values_arrive_typed() -> None:
    settings = parse(
        """
        mode = "enforce"
        [network]
        protected = ["192.0.2.10", "2001:db8::/32"]
        sip_ports = [5060, 5080]
        [failure]
        on_full = ["accept", "accept"]
        [queue]
        rules = "iptables"
        [signatures]
        directories = ["/etc/sipsensor/signatures"]
        [detectors.flood]
        action = "drop"
        register_source = { count = 5, seconds = 60 }
        [rules."scanner.sipvicious.user-agent"]
        action = "alert"
        """,
        "f.toml",
    )
    assert settings.mode is Mode.ENFORCE
    assert settings.network.protected == ("192.0.2.10", "2001:db8::/32")
    assert settings.network.sip_ports == (5060, 5080)
    assert settings.failure.on_full == (Fallback.ACCEPT, Fallback.ACCEPT)
    assert settings.queue.rules is QueueRules.IPTABLES
    assert settings.signatures.directories == (Path("/etc/sipsensor/signatures"),)
    flood = settings.detectors["flood"]
    assert (flood.action, flood.register_source) == (Action.DROP, Limit(5, 60))
    assert settings.rules["scanner.sipvicious.user-agent"].action is Action.ALERT


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("mod = 1", 'f.toml: mod: unknown key; did you mean "mode"?'),
        ("[network]\nprotectd = []", 'f.toml: network.protectd: unknown key; did you mean "protected"?'),
        ("[ban]\nfirst = '10m'", 'f.toml: ban: unknown key; did you mean "bans"?'),
        (
            "[bans]\nfirst = '10x'",
            'f.toml: bans.first: input should be a duration as in "90s", "10m", "12h", "7d", or ',
        ),
        ("[bans]\nfirst = '\u0663m'", "f.toml: bans.first: input should be a duration as in "),
        ("[bans]\nfirst = '9999999999999d'", "f.toml: bans.first: input should be a duration as in "),
        ("[bans]\nfirst = 'm'", "f.toml: bans.first: input should be a duration as in "),
        ("[bans]\nfirst = 1.5", "f.toml: bans.first: input should be a valid integer, not 1.5; expected [duration]: "),
        ("[bans]\nfirst = '0s'", "f.toml: bans.first: 0 is out of range; choose a number from 1 to 31622400"),
        ("[bans]\nfirst = '367d'", "f.toml: bans.first: 31708800 is out of range; choose a number from 1 to"),
        ("[bans]\nfirst = '2h'\nlongest = '1h'", "f.toml: bans.longest: is shorter than bans.first; choose the same"),
        ("[bans]\nfactor = 0", "f.toml: bans.factor: 0 is out of range; choose a number from 1 to 1000"),
        ("[bans]\nenforcer = 'pf'", "f.toml: bans.enforcer: input should be 'nftables' or 'dry-run', not 'pf'"),
        ("[safety]\nshare = 101", "f.toml: safety.share: 101 is out of range; choose a number from 0 to 100"),
        ("[network]\nproxies = ['sbc']", "f.toml: network.proxies: 'sbc' is no address or network; write "),
        ("[trust]\ntrunks = ['a b']", "f.toml: trust.trunks: 'a b' is no address, network or host name; write "),
        ("[trust]\ntrunks = ['-x.example']", "f.toml: trust.trunks: '-x.example' is no address, network or host name"),
        ("[trust]\ntrunks = ['192.0.2.300']", "f.toml: trust.trunks: '192.0.2.300' is no address or network; write "),
        (
            "[trust]\ntrunks = ['192.0.2.1/24']",
            "f.toml: trust.trunks: '192.0.2.1/24' has bits set behind its prefix; write \"192.0.2.0/24\"",
        ),
        ("[trust]\nemergency = ['1 1 2']", "f.toml: trust.emergency: '1 1 2' is no number to call; write it as"),
        ("mode = 'watch'", "f.toml: mode: input should be 'observe' or 'enforce', not 'watch'; expected: "),
        ("[queue]\nfirst = '5060'", "f.toml: queue.first: input should be a valid integer, not '5060'; expected"),
        ("[queue]\nfirst = 1.5", "f.toml: queue.first: input should be a valid integer, not 1.5; expected"),
        ("[queue]\nfirst = true", "f.toml: queue.first: input should be a valid integer, not True; expected"),
        ("[queue]\ngovernor = 1.5", "f.toml: queue.governor: 1.5 is out of range; choose a number from 0 to 1"),
        ("[queue]\ngovernor = -0.1", "f.toml: queue.governor: -0.1 is out of range; choose a number from 0 to 1"),
        ("[queue]\ngovernor = nan", "f.toml: queue.governor: nan is out of range; choose a number from 0 to 1"),
        ("[queue]\nfirst = 65535", "f.toml: queue.first: 65535 is out of range; choose a number from 0 to 65534"),
        ("[network]\nsip_ports = [0]", "f.toml: network.sip_ports: 0 is out of range; choose a number from 1 to 65535"),
        ("[network]\nsip_ports = []", "f.toml: network.sip_ports: names no port; name at least one, as in [5060]"),
        ("network = 3", "f.toml: network: input should be a section, not 3; "),
        ("[failure]\non_error = ['drop']", "f.toml: failure.on_error.1: field required; expected: "),
        ("[failure]\non_error = 'drop'", "f.toml: failure.on_error: input should be a list, not 'drop'; expected: "),
        (
            "[trust]\nallowlist = ['10.0.0.1/8']",
            "f.toml: trust.allowlist: '10.0.0.1/8' has bits set behind its prefix; write \"10.0.0.0/8\"",
        ),
        ("[network]\nprotected = ['pbx']", "f.toml: network.protected: 'pbx' is no address or network; write "),
        (
            "[network]\nplacement = 'gateway'",
            "f.toml: network.protected: is empty on a gateway; name the PBX here, or the interfaces to it in",
        ),
        ("[metrics]\nlisten = '9437'", "f.toml: metrics.listen: '9437' is no address and port; write "),
        ("[metrics]\nlisten = ':99999'", "f.toml: metrics.listen: ':99999' is no address and port; write "),
        ("[detectors.fload]", 'f.toml: detectors.fload: there is no such detector; did you mean "flood"?'),
        ("[detectors]\nflood = 1", "f.toml: detectors.flood: is not a section; write it as [detectors.flood]"),
        ("detectors = 1", 'f.toml: detectors: is not a section; write it as [detectors."<name>"]'),
        ("[detectors.flood]\nx = 1", "f.toml: detectors.flood.x: unknown key; remove it; known here: action, "),
        (
            "[detectors.flood]\nsource = { count = 0, seconds = 1 }",
            "f.toml: detectors.flood.source.count: 0 is out of range; choose a number from 1 to 2147483647",
        ),
        (
            "[detectors.flood]\nsource = { count = 1, seconds = 0 }",
            "f.toml: detectors.flood.source.seconds: 0 is out of range; choose a number from 1 to 31622400",
        ),
        (
            "[detectors.flood]\nsource = { count = 1 }",
            "f.toml: detectors.flood.source.seconds: field required; expected [count in seconds]: ",
        ),
        ("[detectors.flood]\naction = 'kill'", "f.toml: detectors.flood.action: input should be 'off', 'alert' or"),
        ("rules = 1", 'f.toml: rules: is not a section; write it as [rules."<name>"]'),
        ("[rules.'a.b']", 'f.toml: rules."a.b": has no action; add action = "off", "alert" or "drop"'),
        ("[rules.'a.b']\nactoin = 'off'", 'f.toml: rules."a.b".actoin: unknown key; did you mean "action"?'),
        ("[rules]\na = 1", 'f.toml: rules."a": is not a section; write it as [rules."a"]'),
        ("a = ", "f.toml: no valid TOML: Invalid value (at end of document); correct the syntax there"),
        ("mode = 1979-05-27", "f.toml: mode: input should be 'observe' or 'enforce', not '1979-05-27'; "),
    ],
)
def test_each_fault_is_one_line_with_file_key_and_remedy(text: str, line: str) -> None:
    found = lines_of(text)
    assert any(one.startswith(line) for one in found), found
    assert all("\n" not in one and "; " in one for one in found)


def test_durations_are_text_or_seconds() -> None:
    texts = ("90s", "10m", "12h", "7d", "2w")
    found = [parse(f"[bans]\nfirst = '1s'\nlongest = '{text}'", "f.toml").bans.longest for text in texts]
    assert found == [90, 600, 43_200, 604_800, 1_209_600]
    assert parse("[safety]\nwindow = 90", "f.toml").safety.window == 90


def test_trunks_are_networks_or_names() -> None:
    texts = (
        "192.0.2.1",
        "192.0.2.0/24",
        "2001:db8::1",
        "2001:db8::/32",
        "sip.example.com",
        "_sip.x",
        "trunk",
        "x.org.",
    )
    for text in texts:
        assert trunk_fault(text) is None, text
        assert parse(f"[trust]\ntrunks = ['{text}']", "f.toml").trust.trunks == (text,)
    for text in ("", ".", "a..b", "a b", "x/y", "192.0.2", "2001:db8::/129", "-a.b", "a-.b", "a" * 64, "ab." * 90):
        assert trunk_fault(text) is not None, text


def test_all_faults_come_at_once() -> None:
    found = lines_of(
        """
        mode = "x"
        y = 1
        [network]
        sip_ports = [99999]
        [detectors.flood]
        source = { count = 0, seconds = 0 }
        [detectors.nothing]
        [rules.z]
        """
    )
    assert [line.split(": ")[1] for line in found] == [
        "y",
        "mode",
        "detectors.nothing",
        "detectors.flood.source.count",
        "detectors.flood.source.seconds",
        'rules."z"',
    ]
    both = lines_of("[network]\nsip_ports = [99999]\nprotected = ['x']\n[detectors.flood]\naction = 3")
    assert len(both) == 3


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    cases = {
        "nowhere.toml": (None, "cannot be read: No such file or directory; name an existing file with --config"),
        "latin.toml": (b"mode = 'caf\xe9'", "byte 11 is not UTF-8; save the file as UTF-8"),
        "large.toml": (b"#" * (FILE_LIMIT + 1), f"larger than {FILE_LIMIT} bytes; this is no configuration file"),
        "deep.toml": (b"a = " + b"[" * 100_000, "no valid TOML: "),
    }
    for name, (content, what) in cases.items():
        file = tmp_path / name
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(ConfigError) as caught:
            load(file)
        (line,) = caught.value.lines
        assert line.startswith(f"{file}: {what}")
    with pytest.raises(ConfigError, match="Is a directory"):
        load(tmp_path)


def test_load_reads_a_file(tmp_path: Path) -> None:
    file = tmp_path / "sipsensor.toml"
    file.write_text('mode = "enforce"  # a comment, and an umlaut: ü\n', encoding="utf-8")
    assert load(file).mode is Mode.ENFORCE


def test_network_fault_takes_addresses_and_networks() -> None:
    for text in ("192.0.2.1", "192.0.2.0/24", "2001:db8::1", "2001:db8::/32", "0.0.0.0/0"):
        assert network_fault(text) is None
    for text in ("", "x", "192.0.2", "192.0.2.0/33", "192.0.2.1/24", "2001:db8::1/32"):
        assert network_fault(text) is not None
