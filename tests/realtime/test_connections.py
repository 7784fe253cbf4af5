"""A connection's count of queued commands."""

import threading
import time
from datetime import UTC, datetime

import pytest

from imapp.realtime.connections import Connection


@pytest.fixture
def connection():
    """Create a connection with nothing queued."""
    return Connection("sid", 1, 1, datetime.now(UTC))


def waiting(connection, seconds=10):
    """Start a thread that waits for queued commands; return it and the list that gets the time of its end."""
    went_on = []

    def wait():
        connection.wait_for_queued(seconds)
        went_on.append(time.monotonic())

    thread = threading.Thread(target=wait)
    thread.start()
    return thread, went_on


def test_a_wait_without_queued_commands_returns_at_once(connection):
    connection.queue()
    connection.answered()

    began = time.monotonic()
    connection.wait_for_queued(100)

    assert time.monotonic() - began < 60


def test_all_waiters_continue_after_the_last_answer(connection):
    connection.queue()
    connection.queue()
    waiters = [waiting(connection) for _ in range(3)]
    connection.answered()
    for thread, _ in waiters:
        thread.join(0.05)
    assert not any(went_on for _, went_on in waiters)

    connection.answered()
    for thread, _ in waiters:
        thread.join(5)

    assert all(went_on for _, went_on in waiters)


def test_a_command_refused_before_it_was_queued_is_not_waited_for(connection):
    connection.queue()
    thread, went_on = waiting(connection)
    thread.join(0.05)

    connection.unqueue()
    thread.join(5)

    assert went_on


def test_a_wait_times_out_and_the_next_one_works(connection):
    connection.queue()
    connection.wait_for_queued(0.01)
    thread, went_on = waiting(connection)

    connection.answered()
    thread.join(5)

    assert went_on
