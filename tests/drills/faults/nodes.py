"""Faults of nodes: killed, frozen, restarted in turn."""

import time

from tests.drills.crowd import Shape
from tests.drills.drill import Drill
from tests.drills.testbed import Testbed

#: Some of a node's people do not reconnect: the test is whether they are still reported as online.
_SOME_LEAVE = Shape(leavers=3)


def _kill(testbed: Testbed) -> str:
    victim = testbed.nodes[1]
    there = len(testbed.crowd.at("node-2"))
    with testbed.fault():
        victim.kill()
    return f"{there} people were there" if there else ""


def _kill_and_return(testbed: Testbed) -> str:
    victim = testbed.nodes[1]
    there = len(testbed.crowd.at("node-2"))
    with testbed.fault():
        victim.kill()
        victim.start()
        victim.wait_until_ready()
    return f"{there} people were there" if there else ""


def _rolling_restart(testbed: Testbed) -> str:
    took = []
    with testbed.fault():
        for node in testbed.nodes:
            assert node.process is not None
            process = node.process
            began = time.monotonic()
            node.stop()
            took.append(time.monotonic() - began)
            assert process.returncode == 0, f"exit code {process.returncode}"
            node.start()
            node.wait_until_ready()
    return "each stopped with exit code 0 in " + ", ".join(f"{one:.1f} s" for one in took)


def _freeze(testbed: Testbed) -> str:
    """Freeze a node for longer than its lease: its people move, it is declared dead, and then it is thawed."""
    there = testbed.crowd.at("node-2")
    with testbed.fault():
        testbed.nodes[1].freeze()
        time.sleep(20)
        stayed = len(testbed.crowd.at("node-2"))
        testbed.nodes[1].thaw()
    assert stayed == 0, f"{stayed} of {len(there)} clients stayed with a frozen node"
    return f"{len(there)} people left it meanwhile"


DRILLS = [
    Drill("R15", "one of three nodes killed", _kill, bound=11, shape=_SOME_LEAVE),
    Drill("R15-back", "a node killed and started again at once", _kill_and_return, bound=11, shape=_SOME_LEAVE),
    Drill("R16", "all three nodes restarted in turn", _rolling_restart, bound=10),
    Drill("R17", "a node frozen for 20 s", _freeze, bound=8, shape=_SOME_LEAVE),
]
