"""When a message counts as handed to sockets."""

import time

import pytest

from imapp.cluster.bus.delivery_log import DeliveryLog
from imapp.cluster.bus.envelope import Stamp
from imapp.cluster.trace_ring import TraceRing
from imapp.telemetry.metrics import HANDED


class Flusher:
    """A queue of the requested callbacks, in order."""

    def __init__(self):
        self.marks = []

    def flush_one(self):
        self.marks.pop(0)()


@pytest.fixture
def flusher():
    return Flusher()


@pytest.fixture
def following(flusher):
    return DeliveryLog(TraceRing(messages=100, seconds=60), flusher.marks.append)


def stamp(id_, ahead_ms=0):
    return Stamp(time.time() * 1000 + ahead_ms, id_, None)


def handed(following, *ids):
    return [bool(following.ring.of(id_)) and following.ring.of(id_)[0][3] is not None for id_ in ids]


def test_a_message_given_after_a_mark_is_handed_with_the_next_mark(following, flusher):
    for id_ in ("1-1", "1-2", "1-3"):
        following.given(stamp(id_), [("sid", "eio")], None)

    flusher.flush_one()
    assert handed(following, "1-1", "1-2", "1-3") == [True, False, False]

    flusher.flush_one()
    assert handed(following, "1-1", "1-2", "1-3") == [True, True, True]
    assert flusher.marks == []

    following.given(stamp("1-4"), [("sid", "eio")], None)
    flusher.flush_one()
    assert handed(following, "1-4") == [True]


def test_a_message_without_a_connection_is_heard_and_not_handed(following, flusher):
    following.given(stamp("1-1"), [], heard_ms=1_000_000_000_000.0 * 2)

    ((heard_ms, *_, count, sids, is_remote),) = following.ring.of("1-1")
    assert (heard_ms, count, sids, is_remote) == (2_000_000_000_000.0, 0, (), True)
    assert flusher.marks == []


def test_the_first_hundred_connections_are_named_and_all_are_counted(following, flusher):
    following.given(stamp("1-1"), [(f"sid{number}", "eio") for number in range(250)], None)

    flusher.flush_one()

    (record,) = following.ring.of("1-1")
    assert record[4] == 250
    assert record[5] == tuple(f"sid{number}" for number in range(100))


def test_a_sender_with_a_clock_ahead_adds_no_time(following, flusher):
    before = HANDED.sum

    following.given(stamp("1-1", ahead_ms=5000), [("sid", "eio")], None)
    flusher.flush_one()

    assert HANDED.sum == before
