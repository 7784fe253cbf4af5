"""The lines and the table of the checker's report."""

from collections import Counter

from tests.checker import report
from tests.checker.cycle import Result
from tests.checker.oracle import KINDS, Breach
from tests.checker.plan import Cycle, Fault


def result(number: int, healed: float | None, *breaches: Breach) -> Result:
    cycle = Cycle(7, number, "micro", (), (Fault("commit_lost", 1, 1),))
    return Result(cycle, Counter(acked=30, refused=2, unknown=1), healed, list(breaches), ["9 bytes lost"], probed=4)


def test_a_line_names_the_cycle_the_fault_and_the_breaches():
    bad = result(3, None, Breach("stale", "a"), Breach("stale", "b"), Breach("deaf", "c"))

    cells = report.cells(bad)

    assert cells[:7] == ["7/3", "commit_lost", "30", "2", "1", "4", "never"]
    assert cells[7] == "stale 2, deaf 1"
    assert "9 bytes lost" in report.line(cells)
    assert report.cells(result(4, 1.26))[6:8] == ["1.3 s", "none"]


def test_the_table_has_the_median_and_the_longest_time_to_heal_of_each_fault():
    results = [result(number, healed) for number, healed in enumerate((1.0, 2.0, 9.0))]

    assert report.heal_times(results) == [("commit_lost", 3, 2.0, 9.0)]
    summary = report.summary([*results, result(9, None, Breach("hole", "x"))])
    assert "4 cycles of 1 seeds, 120 operations acked, 16 conversations probed" in summary
    assert "hole 1" in summary
    assert all(f"{kind} " in summary for kind in KINDS)


def test_a_report_has_every_breach_beside_its_cycle():
    page = report.page([result(1, 1.0), result(2, None, Breach("lost", "message c1"))])

    assert page.index("7/2") < page.index("lost: message c1") < page.index("2 cycles")
