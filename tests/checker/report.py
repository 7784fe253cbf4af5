"""The lines and the table: each cycle's load and breaches, and the time that each kind of fault took to heal."""

import statistics
from collections.abc import Iterable

from tests.checker.cycle import Result
from tests.checker.oracle import KINDS

_HEAD = ("cycle", "fault", "acked", "refused", "unknown", "probed", "healed", "breaches", "notes")
_WIDTHS = (14, 26, 6, 8, 8, 7, 8, 10)


def line(texts: Iterable[str]) -> str:
    """Format the cells as one line for the terminal, in columns."""
    *columns, notes = texts
    return " ".join(f"{text:<{width}}" for text, width in zip(columns, _WIDTHS, strict=True)) + " " + notes


def head() -> str:
    """Return the line with the columns' names."""
    return line(_HEAD)


def cells(result: Result) -> list[str]:
    """Return the cells of one cycle."""
    kinds = ", ".join(fault.kind for fault in result.cycle.faults) or "none"
    outcomes = [str(result.outcomes[name]) for name in ("acked", "refused", "unknown")]
    healed = "never" if result.healed is None else f"{result.healed:.1f} s"
    counts = result.counts()
    named = ", ".join(f"{kind} {counts[kind]}" for kind in KINDS if counts[kind]) or "none"
    notes = "; ".join([*result.notes, f"{result.seconds:.0f} s"])
    return [result.cycle.name, kinds, *outcomes, str(result.probed), healed, named, notes]


def heal_times(results: Iterable[Result]) -> list[tuple[str, int, float, float]]:
    """Return, for each kind of fault and for several in one cycle: cycles, median and maximum seconds to heal."""
    times: dict[str, list[float]] = {}
    for result in results:
        kinds = [fault.kind for fault in result.cycle.faults]
        if result.healed is not None:
            times.setdefault(kinds[0] if len(kinds) == 1 else "several", []).append(result.healed)
    return [(kind, len(some), statistics.median(some), max(some)) for kind, some in sorted(times.items())]


def summary(results: list[Result]) -> str:
    """Return the end of the report: sums, and times to heal."""
    sums = {kind: sum(result.counts()[kind] for result in results) for kind in KINDS}
    acked = sum(result.outcomes["acked"] for result in results)
    probed = sum(result.probed for result in results)
    seeds = len({result.cycle.seed for result in results})
    rows = ["", f"{len(results)} cycles of {seeds} seeds, {acked} operations acked, {probed} conversations probed"]
    rows.append(", ".join(f"{kind} {count}" for kind, count in sums.items()))
    rows += ["", f"{'fault':<24}{'cycles':<8}{'p50':<8}max"]
    rows += [f"{kind:<24}{count:<8}{middle:<8.1f}{most:.1f}" for kind, count, middle, most in heal_times(results)]
    return "\n".join(rows)


def page(results: list[Result]) -> str:
    """Return the complete report, for a file."""
    lines = [head()]
    for result in results:
        lines += [line(cells(result)), *(f"    {breach}" for breach in result.breaches)]
    return "\n".join(lines) + summary(results) + "\n"
