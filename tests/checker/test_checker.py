"""A short cycle of each fault in one environment: nothing is lost, all devices are up to date in the promised time."""

import pytest

from tests.checker import faults, plan
from tests.checker.cycle import bound, run
from tests.checker.setups import SETUPS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

#: Another seed gives other cycles; a failure names the plan, which `scripts/drills.sh --checker --replay` runs again.
_SEED = 20261128
_USERS = 6

#: Seconds between two comparisons by a node (IM_RECONCILE_SECONDS).
_RECONCILE = 1

#: Seconds that a node waits for the database's answer; a late COMMIT must take longer.
_PATIENCE = 2

_SECONDS = {kind: (least, min(most, 2.5)) for kind, (least, most) in faults.SECONDS.items()}
_SECONDS["database_late"] = (_PATIENCE + 0.5, _PATIENCE + 0.7)
_SHAPE = plan.Shape(users=_USERS, pause=0.3, faults=_SECONDS)


@pytest.fixture(scope="module")
def testbed(tmp_path_factory):
    """Start one environment for all cycles; one user has a page of the web client as an additional device."""
    folder = tmp_path_factory.mktemp("checker")
    environ = {"IM_RECONCILE_SECONDS": str(_RECONCILE), "IM_DB_READ_TIMEOUT_SECONDS": str(_PATIENCE)}
    made = SETUPS["default"](folder, _USERS, environ, pages=1)
    yield made
    made.close()


@pytest.mark.parametrize("kind", SETUPS["default"].fault_kinds)
def test_all_devices_are_up_to_date_again_after(kind, testbed, tmp_path):
    cycle = plan.micro(_SEED, 1, _SHAPE, kind)
    cycle.write(tmp_path / "plan.json")

    result = run(testbed, cycle, bound(_RECONCILE))

    assert result.holds, f"{[str(breach) for breach in result.breaches]}, {result.notes}: {tmp_path / 'plan.json'}"
    assert result.outcomes["acked"] > 10
    assert result.probed > 5
