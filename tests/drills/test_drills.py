"""The drills work: two short ones with a few dozen clients pass, and one without its fault fails."""

from dataclasses import replace

import pytest

from tests.drills import __main__ as command
from tests.drills import drill, report
from tests.drills.crowd import Shape

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

#: Few clients, and a generous bound for a busy machine: only a complete run measures speed.
_SMALL = {"shape": Shape(groups=3, pause=0.5), "bound": 90}


def run(name: str, tmp_path, **changed) -> drill.Result:
    one, *_ = command.find([name], [])
    return drill.run(replace(one, **{**_SMALL, **changed}), tmp_path)


@pytest.mark.parametrize("name", ["R4", "R15"])
def test_a_short_drill_passes(name, tmp_path):
    result = run(name, tmp_path)

    assert result.passed, result
    assert result.verdict.acked > 10
    assert None not in (result.healed, result.caught_up, result.present)


def test_a_drill_without_a_fault_fails(tmp_path):
    def nothing(testbed):
        with testbed.fault():
            return ""

    result = run("R4", tmp_path, inject=nothing)

    assert not result.passed
    assert "nothing showed that the fault was felt" in result.notes[-1]
    assert report.cells(result)[-2] == "FAIL"


def test_names_find_their_drills():
    assert [one.name for one in command.find(["R1"], [])] == ["R1-3s", "R1-20s"]
    assert "R18-all" not in [one.name for one in command.find([], ["R18"])]
    with pytest.raises(SystemExit, match="No drill is called R99"):
        command.find(["R99"], [])


def test_a_report_has_a_line_for_each_drill():
    result = drill.Result("R0", "nothing", passed=True, healed=1.23, notes=["a|b"])

    assert len(report.line(report.cells(result))) > len(report.line(report.HEAD)) - len("notes")
    page = report.page([result], "command", "a crowd")

    assert "1 of 1 passed" in page
    assert "| R0 | nothing | 1.2 s | - | - | - | - | - | - | pass | a\\|b |" in page
