"""A histogram of latencies with bounded memory: log-linear buckets, like HdrHistogram.

Every power of two is divided into 128 buckets of equal width. A value from a microsecond to a day is known with a
relative error of 1/128 (0.8 %), in at most 30 kB.
"""

from collections.abc import Iterator

_BITS = 7
_PARTS = 1 << _BITS

#: The largest recorded value in microseconds, more than a day; longer latencies count as this one.
_LONGEST = (1 << 37) - 1

#: Maximum relative error of a value.
ERROR = 1 / _PARTS


def _place(micros: int) -> int:
    """Return the bucket of a value."""
    shift = max(0, micros.bit_length() - _BITS - 1)
    return (shift << _BITS) + (micros >> shift)


def _top(place: int) -> int:
    """Return the largest value of a bucket."""
    if place < 2 * _PARTS:
        return place
    shift = (place >> _BITS) - 1
    return (((place & (_PARTS - 1)) + _PARTS + 1) << shift) - 1


class Histogram:
    """Counts of latencies, recorded in seconds and reported in milliseconds."""

    __slots__ = ("_counts", "count", "longest")

    def __init__(self) -> None:
        self._counts = [0] * _PARTS
        self.count = 0
        self.longest = 0

    def record(self, seconds: float) -> None:
        """Count one latency."""
        micros = min(max(0, round(seconds * 1e6)), _LONGEST)
        place = _place(micros)
        if place >= len(self._counts):
            self._counts += [0] * (place + 1 - len(self._counts))
        self._counts[place] += 1
        self.count += 1
        self.longest = max(self.longest, micros)

    def add(self, other: "Histogram") -> None:
        """Add the counts of another histogram."""
        self._counts += [0] * (len(other._counts) - len(self._counts))
        for place, count in enumerate(other._counts):
            self._counts[place] += count
        self.count += other.count
        self.longest = max(self.longest, other.longest)

    def percentile(self, percent: float) -> float | None:
        """Return a percentile in milliseconds, between the exact value and ERROR above it; None without any values."""
        if not self.count:
            return None
        wanted, seen = max(1, -(-self.count * percent // 100)), 0
        for place, count in enumerate(self._counts):
            seen += count
            if seen >= wanted:
                return min(_top(place), self.longest) / 1000
        raise AssertionError("unreachable")

    def summary(self) -> dict[str, float | None]:
        """Return the percentiles of reports and the maximum, in milliseconds."""
        found = {f"p{percent:g}": self.percentile(percent) for percent in (50, 90, 99, 99.9)}
        return {**found, "max": self.longest / 1000 if self.count else None}

    def coarse(self) -> Iterator[tuple[float, int]]:
        """Yield (upper bound in ms, count) by half powers of two, from the first to the last that has values."""
        sums: dict[int, int] = {}
        for place, count in enumerate(self._counts):
            if count:
                step = _top(place).bit_length() * 2 + (_top(place) >> max(0, _top(place).bit_length() - 2) & 1)
                sums[step] = sums.get(step, 0) + count
        for step in range(min(sums), max(sums) + 1) if sums else ():
            bits, upper_half = divmod(step, 2)
            yield (1 << bits if upper_half else 3 << bits >> 2) / 1000, sums.get(step, 0)
