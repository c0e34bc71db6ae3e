from sipsensor.model import WHAT_MALFORMED, AppProtocol
from sipsensor.protocols.base import Malformed
from tests.support.scanning import examine


def test_a_malformed_message_is_a_value_with_reason_and_offset() -> None:
    examined = examine(b"OPTIONS")
    broken = Malformed(examined, AppProtocol.SIP, "start-line", 7)
    assert (broken.reason, broken.offset, broken.protocol) == ("start-line", 7, AppProtocol.SIP)
    assert (broken.what, broken.is_request) == (WHAT_MALFORMED, True)
    assert broken.examined is examined
