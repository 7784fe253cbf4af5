"""Latencies in buckets, compared with the exact ones."""

import itertools
import random

import pytest

from imapp.load.histogram import ERROR, Histogram


def exact(values, percent):
    ordered = sorted(values)
    return ordered[max(1, int(-(-len(ordered) * percent // 100))) - 1]


def of(values):
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    return histogram


@pytest.mark.parametrize("spread", [1e-5, 1e-3, 0.1, 10, 3600])
@pytest.mark.parametrize("percent", [1, 50, 90, 99, 99.9, 100])
def test_percentiles_are_exact_within_the_error_bound(spread, percent):
    values = [random.expovariate(1 / spread) for _ in range(5000)]

    micros = round(of(values).percentile(percent) * 1000)

    wanted = round(exact(values, percent) * 1e6)
    assert wanted <= micros <= wanted * (1 + ERROR)


def test_every_value_falls_in_a_bucket_that_holds_it():
    for micros in [*range(5000), 2**20 - 1, 2**20, 2**20 + 1, 2**36]:
        longer = of([micros / 1e6, 2**37 / 1e6])

        assert micros <= round(longer.percentile(50) * 1000) <= micros * (1 + ERROR)


def test_an_empty_histogram_has_no_percentile():
    assert Histogram().percentile(99) is None
    assert Histogram().summary()["max"] is None
    assert list(Histogram().coarse()) == []


def test_the_maximum_is_exact():
    assert of([0.001, 1.234567]).summary()["max"] == 1234.567


def test_the_sum_of_two_histograms_is_as_if_recorded_in_one():
    one, other = [random.random() for _ in range(1000)], [10 * random.random() for _ in range(1000)]

    both = of(one)
    both.add(of(other))

    assert both.summary() == of(one + other).summary()


def test_memory_is_bounded_whatever_the_values():
    histogram = of([0, -1, 1e-9, 1e3, 1e9, 1e15])

    assert histogram.count == 6
    assert len(histogram._counts) < 4096


def test_the_bars_of_the_plot_hold_all_values_and_grow_by_half_powers_of_two():
    values = [random.expovariate(20) for _ in range(1000)]

    bars = list(of(values).coarse())

    assert sum(count for _, count in bars) == 1000
    assert all(1.3 < later / earlier < 1.6 for (earlier, _), (later, _) in itertools.pairwise(bars))
    for upper, _ in bars:
        below = sum(count for bound, count in bars if bound <= upper)
        # A bucket that contains the bound counts on either side.
        assert sum(value * 1000 < upper * (1 - ERROR) for value in values) <= below
        assert below <= sum(value * 1000 < upper * (1 + ERROR) for value in values)
