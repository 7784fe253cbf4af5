"""Plans: a seed always gives the same plan, a written plan is read back equal, and a failing plan is shrunk."""

import itertools
from dataclasses import replace

from tests.checker import faults, plan
from tests.checker.acts import ACTS
from tests.checker.setups import SETUPS
from tests.checker.shrink import shrink

_SHAPE = plan.Shape(faults=faults.SECONDS)


def test_a_seed_always_gives_the_same_plan_and_other_seeds_other_plans():
    assert plan.micro(1, 2, _SHAPE) == plan.micro(1, 2, _SHAPE)
    assert plan.long(1, 2, _SHAPE) == plan.long(1, 2, _SHAPE)
    assert len({plan.micro(seed, number, _SHAPE) for seed in (1, 2) for number in (1, 2)}) == 4


def test_a_plan_is_read_back_as_written(tmp_path):
    for cycle in (plan.micro(3, 1, _SHAPE), plan.long(3, 1, _SHAPE)):
        cycle.write(tmp_path / "plan.json")

        assert plan.Cycle.read(tmp_path / "plan.json") == cycle


def test_a_short_cycle_has_one_fault_and_mostly_ends_during_it():
    cycles = [plan.micro(4, number, _SHAPE, "database_frozen") for number in range(60)]

    ends = [cycle.ops[-1].at - cycle.faults[0].at - cycle.faults[0].seconds for cycle in cycles]
    assert {len(cycle.faults) for cycle in cycles} == {1}
    assert 30 <= sum(end < 0 for end in ends) <= 50
    assert all(cycle.ops[0].at < cycle.faults[0].at for cycle in cycles)


def test_a_long_cycle_has_several_faults_one_after_the_other():
    found = plan.long(5, 1, _SHAPE).faults

    assert len(found) > 3
    assert all(one.at + one.seconds < other.at for one, other in itertools.pairwise(found))


def test_every_planned_operation_and_fault_is_implemented():
    assert set(plan.WEIGHTS) == set(ACTS)
    assert set(faults.SECONDS) == set(faults.FAULTS)
    assert {kind for setup in SETUPS.values() for kind in setup.fault_kinds} == set(faults.FAULTS)


def test_shrinking_finds_the_one_operation_and_the_one_fault_that_matter():
    long = plan.long(6, 1, _SHAPE)
    culprit, trigger = long.ops[57], long.faults[1]

    found = shrink(long, lambda cycle: culprit in cycle.ops and trigger in cycle.faults, runs=60)

    assert found == replace(long, ops=(culprit,), faults=(trigger,))


def test_shrinking_keeps_two_operations_that_fail_only_together():
    cycle = plan.micro(7, 1, _SHAPE)
    pair = {cycle.ops[3], cycle.ops[-2]}

    found = shrink(cycle, lambda one: pair <= set(one.ops), runs=200)

    assert set(found.ops) == pair


def test_shrinking_stops_at_the_limit_of_runs_and_returns_a_failing_cycle():
    cycle = plan.micro(8, 1, _SHAPE)
    ran = []

    def fails(one: plan.Cycle) -> bool:
        ran.append(one)
        return cycle.ops[0] in one.ops

    found = shrink(cycle, fails, runs=5)

    assert len(ran) == 5
    assert cycle.ops[0] in found.ops
    assert len(found.ops) < len(cycle.ops)


def test_shrinking_retries_a_cycle_that_fails_only_sometimes():
    cycle = plan.micro(9, 1, _SHAPE)
    turn = iter(range(1000))

    found = shrink(cycle, lambda one: cycle.ops[0] in one.ops and next(turn) % 3 == 2, runs=200, tries=3)

    assert found.ops == (cycle.ops[0],)
