"""A flood of one event is suppressed, and counted."""

import logging

import pytest

from imapp.logs import get_logger
from imapp.logs.sampling import Sampler
from tests.support.ports import wait_for


@pytest.fixture
def sampled(request):
    """Provide `sampled(per_second)`, which makes a sampler, a logger with it, and the list of the lines that pass."""

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


def test_lines_above_the_limit_per_second_are_only_counted(sampled):
    sampler, log, passed = sampled(3)

    for number in range(10):
        log.error("flood", number=number)
    log.warning("another")
    sampler.tell(all_of_them=True)

    assert passed == [
        *("flood number=0", "flood number=1", "flood number=2", "another"),
        "lines_suppressed of=flood by=imapp.test lines=7",
    ]


def test_each_second_starts_anew_and_reports_the_suppressed_lines(sampled):
    sampler, log, passed = sampled(1)
    log.warning("flood")
    log.warning("flood")

    wait_for(lambda: sampler.tell() or len(passed) > 1, what="the end of the second")
    log.warning("flood")

    assert passed == ["flood", "lines_suppressed of=flood by=imapp.test lines=1", "flood"]


def test_the_next_line_reports_suppressed_lines_if_nothing_did_before(sampled):
    _, log, passed = sampled(1)

    wait_for(lambda: log.warning("flood") or len(passed) > 2, what="the start of another second")

    assert passed[0] == passed[2] == "flood"
    assert passed[1].startswith("lines_suppressed of=flood")


def test_a_librarys_lines_are_counted_by_their_place_in_the_code(sampled):
    sampler, _, passed = sampled(2)

    for number in range(5):
        logging.getLogger("library").error("lost %s", number)
    logging.getLogger("library").error("another place")
    sampler.tell(all_of_them=True)

    assert passed[:3] == ["lost %s", "lost %s", "another place"]
    assert passed[3].endswith("by=library lines=3")


def test_no_state_is_kept_of_past_seconds(sampled):
    sampler, log, _ = sampled(5)
    for number in range(100):
        log.warning("event_%s", number)

    sampler.tell(all_of_them=True)

    assert sampler._windows == {}


def test_without_a_limit_no_line_is_suppressed(sampled):
    _, log, passed = sampled(0)

    for _ in range(500):
        log.warning("flood")

    assert passed == ["flood"] * 500
