from __future__ import annotations

from sipsensor.enforce.rules.blind_spots import offloaded, passed_by

RULESET = """table inet sipsensor {
\tchain forward {
\t\ttype filter hook forward priority -151; policy accept;
\t}
}
table inet fw4 {
\tflowtable ft {
\t\thook ingress priority filter; devices = { lan0 }
\t}
\tchain forward {
\t\tmeta l4proto tcp flow add @ft
\t\tmeta l4proto udp flow add @ft
\t}
}
"""
SAVED = [
    "-P FORWARD ACCEPT",
    "-N operators",
    "-N sipsensor-queue",
    "-A PREROUTING -j ACCEPT",
    "-A FORWARD -s 192.0.2.1/32 -j ACCEPT",
    "-A FORWARD -m mark ! --mark 0x0 -j RETURN",
    "-A FORWARD -s 192.0.2.2/32 -j DROP",
    "-A FORWARD -j operators",
    "-A FORWARD -j sipsensor-fwd",
    "-A operators -p udp -j NFQUEUE --queue-num 0",
    "-A operators -p tcp -j RETURN",
    "-A sipsensor-queue -p udp -j NFQUEUE --queue-num 5060",
]


def test_a_flowtable_is_told_once_with_its_table() -> None:
    assert list(offloaded(RULESET)) == [
        "a flowtable of the nft table inet fw4 carries packets past all rules; leave the SIP and IAX2 ports out of it"
    ]
    assert not list(offloaded(RULESET.replace("flow add @ft", "accept")))


def test_rules_that_end_a_packets_way_before_ours_are_told() -> None:
    told = [line.partition(": ")[2] for line in passed_by(SAVED)]
    assert told == [
        "-A FORWARD -s 192.0.2.1/32 -j ACCEPT",
        "-A FORWARD -m mark ! --mark 0x0 -j RETURN",
        "-A operators -p udp -j NFQUEUE --queue-num 0",
    ]
