import pytest

from sipsensor.decide.trust import Trust
from sipsensor.fastpath.tables import Networks
from sipsensor.model import Direction, Observation
from tests.support.packets import LINK_RAW, PBX, STRANGER, STRANGER6, datagram, message
from tests.support.scanning import PLAIN


def exempt(allowlist: list[str], src: str, direction: Direction) -> bool:
    dst = PBX if "." in src else "2001:db8::10"
    examined = PLAIN.examine_raw(datagram(message(), src, dst), LINK_RAW, 0)
    trust = Trust(Networks(allowlist))
    found = trust.exempts(Observation(None, examined, 0, direction, 0, 0))
    assert found == (bool(allowlist) and trust.exempts_packet(examined, direction))
    return found


@pytest.mark.parametrize(
    ("allowlist", "src", "direction", "expected"),
    [
        ([STRANGER], STRANGER, Direction.INBOUND, True),
        (["203.0.113.0/24"], STRANGER, Direction.INBOUND, True),
        ([PBX], STRANGER, Direction.INBOUND, False),
        ([PBX], STRANGER, Direction.OUTBOUND, True),
        ([STRANGER], STRANGER, Direction.OUTBOUND, False),
        ([], STRANGER, Direction.INBOUND, False),
        (["2001:db8:9::/48"], STRANGER6, Direction.INBOUND, True),
        (["0.0.0.0/0"], STRANGER6, Direction.INBOUND, False),
    ],
)
def test_the_remote_end_decides(allowlist: list[str], src: str, direction: Direction, expected: bool) -> None:  # noqa: FBT001
    assert exempt(allowlist, src, direction) is expected
