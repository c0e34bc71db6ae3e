from sipsensor.fastpath.folding import fold, folded, pair_key

KEYS = [0, 1, 2, 0x9E3779B97F4A7C15, (1 << 64) - 1]


def test_several_keys_are_folded_one_by_one_in_their_order() -> None:
    for one in KEYS:
        assert folded([one]) == fold(0, one) == one
        for other in KEYS:
            assert folded([one, other]) == fold(one, other)
    assert folded([]) == 0
    assert folded([1, 2]) != folded([2, 1])


def test_a_key_of_two_is_never_none() -> None:
    pairs = {pair_key(one, other) for one in KEYS for other in KEYS}
    assert 0 not in pairs
    assert pair_key(201, 5) != pair_key(5, 201)
