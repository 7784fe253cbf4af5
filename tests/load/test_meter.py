"""Which messages count for a step, and whether the client's own figures can be trusted."""

import time
from collections import Counter
from pathlib import Path

import pytest

from imapp.load.ledger import Counts
from imapp.load.meter import Meter, Period, is_busy
from imapp.load.options import Options
from imapp.load.report import conclusion, notes
from imapp.load.runner import Result


def idle(late_ms):
    """Return the slice of a client with little to do that was late by `late_ms` each time."""
    part = Period(began=time.monotonic() - 100)
    for _ in range(100):
        part.late.record(late_ms / 1000)
    return part


def test_latency_counts_from_the_schedule():
    meter = Meter()
    meter.begin("step 1", 10, measured=True)

    meter.step.began -= 10
    meter.acked(time.monotonic() - 4)

    assert 4000 <= meter.step.ack.longest / 1000 < 60_000


def test_messages_due_before_a_step_do_not_count_for_it():
    meter = Meter()
    due = time.monotonic()
    meter.begin("step 1", 10, measured=True)

    meter.sent(due - 1)
    meter.acked(due - 1)
    meter.delivered(due - 1)

    assert (meter.step.sent, meter.step.acks, meter.step.deliveries) == (0, 0, 0)
    assert meter.tick()["acks"] > 0


@pytest.mark.parametrize(("late_ms", "busy"), [(1, False), (200, True)])
def test_a_late_client_reports_that_it_is_busy(late_ms, busy):
    assert is_busy(idle(late_ms)) == busy


def test_a_client_that_uses_its_whole_core_reports_that_it_is_busy():
    part = Period(began=time.monotonic() - 1, cpu=time.process_time() - 0.95)

    assert is_busy(part)


@pytest.mark.parametrize(
    ("verdicts", "words"),
    [
        ([], "Nothing was measured"),
        (["p99"], "did not carry"),
        (["client busy"], "too busy, or got too little CPU"),
        (["carried", "carried", "errors"], "carried 20 messages/s (40 deliveries/s) to 0 connections"),
    ],
)
def test_the_conclusion_names_the_last_step_that_was_carried(verdicts, words):
    steps = [
        {
            "rate": 10 * number, "deliveries_per_second": 20 * number, "verdict": verdict, "client_cpu": 0.5,
            "client_busy": verdict == "client busy", "late": {"p99": 100},
        }
        for number, verdict in enumerate(verdicts, 1)
    ]  # fmt: skip
    options = Options(urls=("http://127.0.0.1",), users_file=Path("users"))
    result = Result(options, Meter(), Counts(), Counter(), steps)

    assert words in conclusion(result)
    assert any("lower bound" in note for note in notes(result)) == ("client busy" in verdicts)
