import pytest

from sipsensor.fastpath.examined import Examined
from sipsensor.sources.judge import Judge
from tests.support.packets import LINK_RAW, datagram, message
from tests.support.scanning import PLAIN

EXAMINED = PLAIN.examine_raw(datagram(message()), LINK_RAW, 0)


@pytest.mark.parametrize("verdict", [0, 1])
def test_it_says_what_its_function_says_of_that_packet(verdict: int) -> None:
    asked = []

    def function(examined: Examined) -> int:
        asked.append(examined)
        return verdict

    assert Judge(function).judge(EXAMINED) == verdict
    assert asked == [EXAMINED]


def test_what_its_function_raises_goes_on() -> None:
    def function(_examined: Examined) -> int:
        raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose"):
        Judge(function).judge(EXAMINED)
