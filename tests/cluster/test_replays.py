"""A frame of the bus is accepted once, and only for a limited time."""

import time

import pytest

from imapp.clock import ClusterClock
from imapp.cluster.bus import envelope, replays
from imapp.cluster.bus.envelope import Emit, NodeCommand
from imapp.cluster.bus.replays import Replays


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def clock():
    return Clock()


def mark(clock, number, life="a"):
    return life, number, int(clock.now * 1000)


def test_a_repeated_frame_is_refused(clock):
    heard = Replays(clock)

    assert heard.fault(mark(clock, 2), may_repeat=False) == ""
    assert (
        heard.fault(mark(clock, 1), may_repeat=False) == ""
    )  # a lower number may arrive later, over another connection
    assert heard.fault(mark(clock, 2), may_repeat=False) == "replayed"
    assert heard.fault(mark(clock, 2), may_repeat=True) == ""
    assert heard.fault(mark(clock, 2, life="b"), may_repeat=False) == ""


def test_a_repeated_frame_is_refused_thousands_of_frames_later(clock):
    heard = Replays(clock)
    for number in range(1, 20_001):
        assert heard.fault(mark(clock, number), may_repeat=False) == ""

    assert heard.fault(mark(clock, 1), may_repeat=False) == "replayed"
    assert len(heard._lives["a"].numbers) <= 8192


def test_a_node_that_never_received_a_recorded_frame_refuses_it(clock):
    recorded = mark(clock, 1)
    clock.now += replays.WINDOW_SECONDS + 1

    assert Replays(clock).fault(recorded, may_repeat=False) == "stale"


def test_a_corrected_clock_is_noticed(clock):
    heard = Replays(clock)
    late = mark(clock, 1)
    clock.now += 60

    assert heard.fault(late, may_repeat=False) == "stale"
    assert not heard.has_recovered
    assert heard.fault(mark(clock, 2), may_repeat=False) == ""
    assert heard.has_recovered


def test_unmarked_frames_of_the_previous_version_are_accepted_during_an_upgrade(clock):
    heard = Replays(clock)

    assert heard.fault(None, may_repeat=False) == ""
    clock.now += replays.OLD_SECONDS
    assert heard.fault(None, may_repeat=False) == "unmarked"


def test_ended_processes_are_forgotten(clock):
    heard = Replays(clock)
    for number in range(200):
        heard.fault(mark(clock, 1, life=str(number)), may_repeat=False)
        clock.now += 10

    assert len(heard._lives) < 100


@pytest.mark.parametrize("message", [Emit(["2[]"], skip=["node-1~a"]), Emit(["2[]"]), NodeCommand("drain", None)])
def test_every_frame_has_its_own_number(message):
    first, second = (envelope.decode(envelope.encode(message)).mark for _ in range(2))

    assert first[0] == second[0]
    assert second[1] == first[1] + 1


def test_the_clock_follows_redis_once_its_time_has_been_read():
    clock = ClusterClock()

    assert clock() == pytest.approx(time.time(), abs=5)
    clock.set(time.time() - 3600)
    assert clock() == pytest.approx(time.time() - 3600, abs=5)
