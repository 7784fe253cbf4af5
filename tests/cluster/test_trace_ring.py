"""The trace records of a node are bounded in number and age."""

import time

import pytest

from imapp.cluster.trace_ring import GIVEN, REFUSED, RefusedRecord, TraceRing, named


def ms(ago=0.0):
    return (time.time() - ago) * 1000


def test_the_oldest_record_is_dropped_beyond_the_limit():
    ring = TraceRing(messages=3, seconds=60)

    for number in range(5):
        ring.keep([(ms(), GIVEN, f"1-{number}", ms(), 1, ("a",), False)])

    assert [len(ring.of(f"1-{number}")) for number in range(5)] == [0, 0, 1, 1, 1]
    assert ring.complete_since_ms == ring.of("1-2")[0][0]


def test_elements_and_kinds_of_records_that_a_later_version_adds_are_ignored():
    record = (1.0, REFUSED, "client-1", 7, "blocked")

    assert named((*record, "new")) == RefusedRecord(*record)
    assert named((1.0, 99, "client-1")) is None


def test_expired_records_are_neither_returned_nor_kept():
    ring = TraceRing(messages=100, seconds=60)
    ring.keep([(ms(ago=120), GIVEN, "1-1", ms(ago=120), 1, ("a",), False)])

    assert ring.of("1-1") == []

    ring.keep([(ms(), GIVEN, "1-2", ms(), 1, ("a",), False)])
    assert len(ring._records) == 1


@pytest.mark.parametrize(("messages", "seconds"), [(0, 60), (60, 0)])
def test_nothing_is_kept_if_tracing_is_off(messages, seconds):
    ring = TraceRing(messages=messages, seconds=seconds)

    ring.keep([(ms(), REFUSED, "mine", 1, "blocked")])
    ring.note_gone("a", 1, 1, "client")

    assert not ring.is_on
    assert ring.of("mine") == ring.gone({1}, {"a"}) == []
    assert ring.complete_since_ms >= ms(ago=60)


def test_the_last_closed_connection_of_each_user_and_all_named_ones_are_returned():
    ring = TraceRing(messages=100, seconds=60)
    for sid, user in (("a", 1), ("b", 1), ("c", 2), ("d", 3)):
        ring.note_gone(sid, user, user * 10, "client")

    assert {sid for _, sid, *_ in ring.gone({1}, {"c"})} == {"b", "c"}
