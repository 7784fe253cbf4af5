"""A drill: a fault in a testbed under load, and the steps from there to a line of the table."""

import os
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.drills.crowd import Crowd, Shape
from tests.drills.oracle import Verdict, judge
from tests.drills.testbed import Plan, Testbed

#: Seconds beyond the bound in which a crowd of hundreds, all at once, fetches what it missed; seconds of a lease and a
#: heartbeat, which presence may lag.
_CATCH_UP_SECONDS = 5.0
_PRESENCE_SECONDS = 11.0


@dataclass(frozen=True)
class Drill:
    """One fault. `inject` does it and returns evidence that it took effect, or raises if it did not."""

    name: str
    injected: str
    inject: Callable[[Testbed], str]
    #: Maximum seconds for healing.
    bound: float = 5
    shape: Shape = field(default_factory=Shape)
    plan: Plan = field(default_factory=Plan)


@dataclass
class Result:
    """One line of the table."""

    name: str
    injected: str
    passed: bool = False
    #: Seconds from the end of the fault until all were reconnected and pushes flowed between the nodes. `caught_up`:
    #: until all had seen what they missed. `present`: until every node reported the right users as online.
    healed: float | None = None
    #: The same as `healed`, measured without a fault: senders pause, and other work on the machine takes time.
    calm: float | None = None
    caught_up: float | None = None
    present: float | None = None
    verdict: Verdict | None = None
    notes: list[str] = field(default_factory=list)


def run(drill: Drill, folder: Path) -> Result:
    """Make the testbed, connect the crowd, harm, watch it heal, judge. Errors become part of the result."""
    result = Result(drill.name, drill.injected)
    try:
        testbed = Testbed(folder, drill.plan, drill.shape)
        try:
            _run_on(testbed, drill, result)
        finally:
            testbed.close()
    except Exception as exc:  # noqa: BLE001 - a drill that breaks is a line of the table, not the end of the others
        where = traceback.extract_tb(exc.__traceback__)[-1]
        result.notes.append(f"{type(exc).__name__}: {str(exc)[:300]} ({Path(where.filename).name}:{where.lineno})")
    return result


def _run_on(testbed: Testbed, drill: Drill, result: Result) -> None:
    crowd = testbed.crowd
    crowd.start()
    result.calm = _calm(crowd)
    evidence = drill.inject(testbed)
    assert evidence, "nothing showed that the fault was felt"
    result.notes.append(evidence)
    since = testbed.fault_over_at
    patience = 3 * drill.bound + 20
    result.healed = _seconds(lambda: crowd.pushed_at(since), since, patience)
    result.caught_up = _seconds(lambda: crowd.caught_up_at(since), since, patience)
    result.present = _seconds(lambda: time.monotonic() if testbed.presence_is_true() else None, since, patience)
    time.sleep(1)
    crowd.settle()
    crowd.look_again(testbed.heads())
    result.verdict = judge(testbed.histories().values())
    result.notes += [_remarks(crowd), *result.verdict.findings]
    late = _lateness(result, drill.bound)
    result.notes += late
    result.passed = not late and result.verdict.holds and result.verdict.acked > 0


def _calm(crowd: Crowd) -> float | None:
    since = time.monotonic()
    return _seconds(lambda: crowd.pushed_at(since), since, 60)


def _lateness(result: Result, bound: float) -> list[str]:
    """Return what healed too late, beyond its time without a fault. Presence may lag by a lease and a heartbeat."""
    bounds = {"healed": bound, "caught_up": bound + _CATCH_UP_SECONDS, "present": max(bound, _PRESENCE_SECONDS)}
    late = []
    for name, most in bounds.items():
        took = getattr(result, name)
        if took is None or took > most + (result.calm or 0):
            late.append(f"{name.replace('_', ' ')} {'never' if took is None else 'late'}: bound {most:g} s")
    return late


def _seconds(moment: Callable[[], float | None], since: float, patience: float) -> float | None:
    """Poll `moment`; return its seconds after `since`, or None if it is still None after `patience` seconds."""
    while (at := moment()) is None:
        if time.monotonic() > since + patience:
            return None
        # Polling takes processor time from the crowd, which is in the same process.
        time.sleep(0.2)
    return max(0.0, at - since)


def _remarks(crowd: Crowd) -> str:
    sent_at = crowd.state.sent_at
    waits = [at - sent_at[name] for sender in crowd.senders for name, at in sender.acked_at.items()]
    again = sum(len(sender.troubles) for sender in crowd.senders)
    doubles = sum(sender.duplicates for sender in crowd.senders)
    load = f"load {os.getloadavg()[0]:.0f}"
    acks = f"{len(waits)} acked, slowest {max(waits, default=0):.1f} s, {again} retries, {doubles} found stored"
    return f"{len(crowd.people)} clients; {acks}; {load}"
