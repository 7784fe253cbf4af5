"""Measure a rolling restart under load: lost, doubled and reordered messages, and the longest times without a node.

    python -m bench.rolling [--pace 25]

Servers, clients and oracle are those of the fault drills (tests/drills). The nodes restart as by
scripts/restart-cluster.sh: one by one, each drained (SIGTERM) and ready again before the next one stops.
"""

import argparse
import json
import tempfile
import time
from contextlib import closing, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.drills.crowd import Crowd, Shape
from tests.drills.oracle import judge
from tests.drills.testbed import Plan, Testbed
from tests.support.ports import wait_for
from tests.support.server import Server

#: Messages per second, and number of pairs: one of a pair writes to the other.
RATE = 300
PAIRS = 120
#: Maximum seconds before the first attempt to reconnect.
RETRY = 0.05
#: Seconds of load before the first restart and after each one; seconds after the last send until all must have arrived.
REST, SETTLE = 3, 20


def rolling_restart(pace: int) -> dict[str, Any]:
    """Restart all nodes under load; `pace` is the rate of returning clients (IM_RECONNECTS_PER_SECOND)."""
    shape = Shape(groups=PAIRS, senders=1, readers=1, pause=PAIRS / RATE, retry=RETRY)
    plan = Plan(environ=(("IM_RECONNECTS_PER_SECOND", str(pace)), ("IM_LOG_LEVEL", "WARNING")))
    with (
        tempfile.TemporaryDirectory(prefix="imapp-rolling-") as folder,
        closing(Testbed(Path(folder), plan, shape)) as testbed,
    ):
        testbed.crowd.start()
        time.sleep(REST)
        began = time.monotonic()
        seconds = [_restart(node) for node in testbed.nodes]
        ended = time.monotonic()
        testbed.crowd.settle(SETTLE)
        with suppress(AssertionError):  # the oracle names the missing messages
            wait_for(lambda: testbed.crowd.caught_up_at(ended + SETTLE), SETTLE)
        verdict = judge(testbed.histories().values())
        result = {
            "sent": sum(len(sender.sent) for sender in testbed.crowd.senders), "acked": verdict.acked,
            "lost": verdict.lost + verdict.unsettled, "doubled": verdict.doubled, "reordered": verdict.reordered,
            "longest_ms": _longest(testbed.crowd, began), "restart_seconds": seconds, "findings": verdict.findings,
        }  # fmt: skip
    print("rolling", json.dumps(result), flush=True)
    return result


def _longest(crowd: Crowd, began: float) -> dict[str, int]:
    """Return the longest times of any client in milliseconds: without a node, between two messages, to receipt."""
    seen = [sorted(at for at in reader.shown_at.values() if at > began) for reader in crowd.readers]
    sent_at = crowd.state.sent_at
    found = {
        "outage": [person.longest_outage for person in crowd.people],
        "silence": [after - before for times in seen for before, after in pairwise(times)],
        "delay": [at - sent_at[name] for one in crowd.readers for name, at in one.shown_at.items() if name in sent_at],
    }
    return {what: round(1000 * max(times)) for what, times in found.items()}


def _restart(node: Server) -> tuple[float, float]:
    """Restart a node; return the seconds for stopping and for starting."""
    began = time.monotonic()
    node.stop()
    stopped = time.monotonic()
    node.start()
    node.wait_until_ready()
    ready = time.monotonic()
    time.sleep(REST)
    return round(stopped - began, 1), round(ready - stopped, 1)


def main() -> None:
    """Restart once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pace", type=int, default=25, help="clients per second that a node sends to others")
    rolling_restart(parser.parse_args().pace)


if __name__ == "__main__":
    main()
