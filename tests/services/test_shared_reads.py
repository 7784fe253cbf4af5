"""Simultaneous reads that share one query."""

import threading

import pytest

from imapp.services.shared_reads import SharedRead


class Slow:
    """A read that blocks until `go` is set."""

    def __init__(self):
        self.asked = []
        self.go = threading.Event()
        self.is_broken = False

    def __call__(self, keys):
        self.asked.append(set(keys))
        assert self.go.wait(10)
        if self.is_broken:
            raise OSError("away")
        return {key: key * 10 for key in keys if key < 100}


@pytest.fixture
def slow():
    """Return a read that blocks until it is released."""
    return Slow()


def ask(shared, keys):
    """Ask for each key in a thread of its own; return the threads and the dict that the answers go into."""
    answers = {}

    def one(key):
        try:
            answers[key] = shared(key)
        except OSError as exc:
            answers[key] = str(exc)

    threads = [threading.Thread(target=one, args=(key,)) for key in keys]
    for thread in threads:
        thread.start()
    return threads, answers


def wait_for_asked(slow, count):
    deadline = threading.Event()
    for _ in range(500):
        if len(slow.asked) >= count:
            return
        deadline.wait(0.01)
    raise AssertionError(slow.asked)


def test_reads_asked_for_during_a_read_share_the_next_one(slow):
    shared = SharedRead(slow)
    first, one = ask(shared, [1])
    wait_for_asked(slow, 1)
    others, many = ask(shared, range(2, 40))
    for thread in others:
        thread.join(0.01)

    slow.go.set()
    for thread in first + others:
        thread.join()

    assert slow.asked == [{1}, set(range(2, 40))]
    assert one == {1: 10}
    assert many == {key: key * 10 for key in range(2, 40)}


def test_an_answer_is_read_after_its_question(slow):
    shared = SharedRead(slow)
    first, _ = ask(shared, [1])
    wait_for_asked(slow, 1)
    again, answers = ask(shared, [1])
    slow.go.set()
    for thread in first + again:
        thread.join()

    assert slow.asked == [{1}, {1}]
    assert answers == {1: 10}


def test_a_missing_key_is_none_and_a_round_is_limited_in_keys(slow):
    slow.go.set()
    shared = SharedRead(slow, most=2)

    threads, answers = ask(shared, [100, 101, 5, 6, 7])
    for thread in threads:
        thread.join()

    assert answers == {100: None, 101: None, 5: 50, 6: 60, 7: 70}
    assert all(len(keys) <= 2 for keys in slow.asked)


def test_a_failure_reaches_all_askers_and_the_next_read_works(slow):
    shared = SharedRead(slow)
    slow.is_broken = True
    threads, answers = ask(shared, [1])
    wait_for_asked(slow, 1)
    others, failed = ask(shared, [2, 3])
    for thread in others:
        thread.join(0.05)
    slow.go.set()
    for thread in threads + others:
        thread.join()
    slow.is_broken = False

    assert answers == {1: "away"}
    assert failed == {2: "away", 3: "away"}
    assert shared(4) == 40
