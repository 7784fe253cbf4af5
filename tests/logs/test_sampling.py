"""A flood of one event is cut, and counted."""

import logging

import pytest

from imapp.logs import get_logger
from imapp.logs.sampling import Sampler
from tests.support.ports import wait_for


@pytest.fixture
def sampled(request):
    """`sampled(per_second)`: a sampler, a logger that it looks after, and what passes."""

    def make(per_second):
        handler = logging.Handler()
        handler.passed = []
        handler.emit = lambda record: handler.passed.append(str(record.msg))
        sampler = Sampler(per_second)
        handler.addFilter(sampler)
        loggers = [logging.getLogger(name) for name in ("imapp.test", "imapp.logs.sampling", "library")]
        for logger in loggers:
            logger.addHandler(handler)
            request.addfinalizer(lambda logger=logger: logger.removeHandler(handler))
        return sampler, get_logger("imapp.test"), handler.passed

    return make


def test_beyond_so_many_in_a_second_they_are_only_counted(sampled):
    sampler, log, passed = sampled(3)

    for number in range(10):
        log.error("flood", number=number)
    log.warning("another")
    sampler.tell(all_of_them=True)

    assert passed == [
        *("flood number=0", "flood number=1", "flood number=2", "another"),
        "lines_suppressed of=flood by=imapp.test lines=7",
    ]


def test_each_second_begins_anew_and_says_what_was_left_out(sampled):
    sampler, log, passed = sampled(1)
    log.warning("flood")
    log.warning("flood")

    wait_for(lambda: sampler.tell() or len(passed) > 1, 10, "the end of the second")
    log.warning("flood")

    assert passed == ["flood", "lines_suppressed of=flood by=imapp.test lines=1", "flood"]


def test_the_next_line_says_it_when_nobody_else_does(sampled):
    _, log, passed = sampled(1)

    wait_for(lambda: log.warning("flood") or len(passed) > 2, 10, "another second")

    assert passed[0] == passed[2] == "flood"
    assert passed[1].startswith("lines_suppressed of=flood")


def test_a_librarys_lines_are_told_apart_by_where_they_come_from(sampled):
    sampler, _, passed = sampled(2)

    for number in range(5):
        logging.getLogger("library").error("lost %s", number)
    logging.getLogger("library").error("another place")
    sampler.tell(all_of_them=True)

    assert passed[:3] == ["lost %s", "lost %s", "another place"]
    assert passed[3].endswith("by=library lines=3")


def test_nothing_is_kept_of_seconds_that_are_over(sampled):
    sampler, log, _ = sampled(5)
    for number in range(100):
        log.warning("event_%s", number)

    sampler.tell(all_of_them=True)

    assert sampler._windows == {}


def test_none_is_left_out_when_all_are_wanted(sampled):
    _, log, passed = sampled(0)

    for _ in range(500):
        log.warning("flood")

    assert passed == ["flood"] * 500
