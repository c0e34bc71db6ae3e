from sipsensor.model import NANOSECONDS, Table
from sipsensor.track.transactions import TRANSACTION_SECONDS, Transactions
from tests.support.packets import LINK_RAW, datagram, message
from tests.support.scanning import PLAIN


def repeats(transactions: Transactions, payload: bytes, seconds: float = 0, src: str = "203.0.113.9") -> int:
    examined = PLAIN.examine_raw(datagram(payload, src), LINK_RAW, int(seconds * NANOSECONDS))
    return transactions.repeats(examined)


def test_retransmissions_are_counted_within_64_t1() -> None:
    transactions = Transactions()
    assert TRANSACTION_SECONDS == 32
    assert [repeats(transactions, message(), second) for second in (0, 0.5, 1.5, 3.5, 32)] == [0, 1, 2, 3, 4]
    assert repeats(transactions, message(), 32.1) == 0


def test_another_branch_method_or_source_is_another_transaction() -> None:
    transactions = Transactions()
    other = message(change={"Via": "SIP/2.0/UDP 203.0.113.9:5060;branch=z9hG4bKother"})
    assert [repeats(transactions, text) for text in (message(), other, message("INVITE"), message())] == [0, 0, 0, 1]
    assert repeats(transactions, message(), src="203.0.113.10") == 0


def test_what_names_no_transaction_never_repeats() -> None:
    transactions = Transactions()
    text = message(change={"Via": None, "Call-ID": None})
    assert [repeats(transactions, text) for _ in range(3)] == [0, 0, 0]


def test_one_pushed_out_counts_as_new() -> None:
    transactions = Transactions(capacity=8)
    repeats(transactions, message())
    for number in range(100):
        repeats(transactions, message(change={"Via": f"SIP/2.0/UDP a;branch=z9hG4bK{number}"}))
    assert repeats(transactions, message()) == 0
    assert transactions.tables() == (Table("transactions", 8, 8, 102 - 8),)
