"""The oracle of the drills detects errors: it is shown faked histories, each wrong in one way."""

import pytest

from tests.drills.oracle import ConversationHistory, judge


def history(**changed) -> ConversationHistory:
    """Return a history without errors: two senders, four messages, two readers."""
    stored = [(1, "a-0"), (2, "b-0"), (3, "a-1"), (4, "b-1")]
    well = {
        "sent": {"a": ["a-0", "a-1"], "b": ["b-0", "b-1"]},
        "acked": {"a-0": 1, "b-0": 2, "a-1": 3, "b-1": 4},
        "stored": stored,
        "shown": {"here": list(stored), "there": list(stored)},
    }
    return ConversationHistory(**{**well, **changed})


def counts(one: ConversationHistory) -> tuple[int, int, int, int]:
    verdict = judge([one])
    assert bool(verdict.findings) is not verdict.holds
    return verdict.lost, verdict.doubled, verdict.reordered, verdict.unsettled


def test_a_story_without_a_fault_holds():
    assert counts(history()) == (0, 0, 0, 0)
    assert judge([history(), history()]).acked == 8


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ([(1, "a-0"), (2, "b-0"), (4, "b-1")], (1, 0, 0, 0)),
        ([(1, "a-0"), (2, "b-0"), (3, "a-1"), (3, "a-1"), (4, "b-1")], (0, 1, 0, 0)),
        ([(1, "a-0"), (3, "a-1"), (2, "b-0"), (4, "b-1")], (0, 0, 1, 0)),
    ],
    ids=["lost", "doubled", "reordered"],
)
def test_an_error_at_one_reader_is_found(shown, expected):
    assert counts(history(shown={"here": history().stored, "there": shown})) == expected


def test_an_acknowledged_message_that_is_not_stored_is_lost():
    stored = history().stored[:3]

    assert counts(history(stored=stored, shown={"here": stored})) == (1, 0, 0, 0)


def test_a_message_that_is_stored_twice_is_doubled():
    stored = [*history().stored, (5, "a-0")]

    lost, doubled, reordered, _ = counts(history(stored=stored, shown={}, acked={}, reported={"b-1"}))

    assert (lost, doubled) == (0, 2), "one is there twice, one was reported as failed and is there"
    assert reordered, "a sender's first message stands after the second"


def test_a_number_that_is_missing_is_found():
    stored = [(1, "a-0"), (2, "b-0"), (4, "a-1"), (5, "b-1")]

    assert judge([history(stored=stored, shown={})]).reordered > 0


def test_a_message_stored_at_another_number_than_acknowledged_is_found():
    assert counts(history(acked={"a-0": 2})) == (0, 0, 1, 3)


def test_a_senders_messages_in_another_order_than_sent_are_found():
    assert counts(history(sent={"a": ["a-1", "a-0"], "b": ["b-0", "b-1"]})) == (0, 0, 1, 0)


def test_a_send_that_was_neither_acknowledged_nor_reported_is_found():
    acked = dict(history().acked)
    del acked["b-1"]

    assert counts(history(acked=acked)) == (0, 0, 0, 1)


def test_a_reader_that_left_may_lack_the_last_messages_but_none_before():
    early, holed = [(1, "a-0"), (2, "b-0")], [(2, "b-0"), (3, "a-1")]

    assert counts(history(shown={"gone": early}, left={"gone"})) == (0, 0, 0, 0)
    assert counts(history(shown={"gone": holed}, left={"gone"})) == (1, 0, 0, 0)
