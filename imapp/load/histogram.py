"""Latencies in bounded memory: log-linear buckets, as HdrHistogram has them.

Every power of two is cut into 128 buckets of one width, so a value is known to within 1/128 of itself (0.8 %), from a
microsecond to a day, in at most 30 kB.
"""

from collections.abc import Iterator

_BITS = 7
_PARTS = 1 << _BITS

#: The longest that is told apart: a day and more, in microseconds.
_LONGEST = (1 << 37) - 1

#: What a value may be off by, as a share of itself.
ERROR = 1 / _PARTS


def _place(micros: int) -> int:
    """The bucket of a value."""
    shift = max(0, micros.bit_length() - _BITS - 1)
    return (shift << _BITS) + (micros >> shift)


def _top(place: int) -> int:
    """The largest value of a bucket."""
    if place < 2 * _PARTS:
        return place
    shift = (place >> _BITS) - 1
    return (((place & (_PARTS - 1)) + _PARTS + 1) << shift) - 1


class Histogram:
    """Counts of latencies, given in seconds and told in milliseconds."""

    __slots__ = ("_counts", "count", "longest")

    def __init__(self) -> None:
        self._counts = [0] * _PARTS
        self.count = 0
        self.longest = 0

    def record(self, seconds: float) -> None:
        """One more."""
        micros = min(max(0, round(seconds * 1e6)), _LONGEST)
        place = _place(micros)
        if place >= len(self._counts):
            self._counts += [0] * (place + 1 - len(self._counts))
        self._counts[place] += 1
        self.count += 1
        self.longest = max(self.longest, micros)

    def add(self, other: "Histogram") -> None:
        """All of another one."""
        self._counts += [0] * (len(other._counts) - len(self._counts))
        for place, count in enumerate(other._counts):
            self._counts[place] += count
        self.count += other.count
        self.longest = max(self.longest, other.longest)

    def percentile(self, percent: float) -> float | None:
        """In milliseconds, at most ERROR above the exact value and never below; nothing of nothing."""
        if not self.count:
            return None
        wanted, seen = max(1, -(-self.count * percent // 100)), 0
        for place, count in enumerate(self._counts):
            seen += count
            if seen >= wanted:
                return min(_top(place), self.longest) / 1000
        raise AssertionError("unreachable")

    def summary(self) -> dict[str, float | None]:
        """What reports show, in milliseconds."""
        found = {f"p{percent:g}": self.percentile(percent) for percent in (50, 90, 99, 99.9)}
        return {**found, "max": self.longest / 1000 if self.count else None}

    def coarse(self) -> Iterator[tuple[float, int]]:
        """(upper bound in milliseconds, count) of half powers of two, from the first to the last that has any."""
        sums: dict[int, int] = {}
        for place, count in enumerate(self._counts):
            if count:
                step = _top(place).bit_length() * 2 + (_top(place) >> max(0, _top(place).bit_length() - 2) & 1)
                sums[step] = sums.get(step, 0) + count
        for step in range(min(sums), max(sums) + 1) if sums else ():
            bits, upper_half = divmod(step, 2)
            yield (1 << bits if upper_half else 3 << bits >> 2) / 1000, sums.get(step, 0)
