"""The number of clients that a node sends away after another node has joined."""

import pytest

from imapp.realtime.rebalancing import surplus_of


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({"a": 60, "b": 60, "c": 0}, 20),
        ({"a": 30, "b": 31, "c": 29}, 0),
        ({"a": 0, "b": 60}, 0),
        ({"a": 3, "b": 0, "c": 0}, 0),
        ({"a": 20_000, "b": 20_000, "c": 19_000}, 0),
        ({"a": 500}, 0),
    ],
)
def test_only_a_clear_surplus_over_the_nodes_share_moves(counts, expected):
    assert surplus_of("a", counts) == expected
