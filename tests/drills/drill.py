"""A drill: what is done to a field under load, and the way from there to a line of the table."""

import os
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.drills.crowd import Crowd, Shape
from tests.drills.field import Field, Plan
from tests.drills.oracle import Verdict, judge

#: Seconds in which a crowd of hundreds, all at once, asks for what it missed; and those of a lease and a beat.
_CATCH_UP_SECONDS = 5.0
_PRESENCE_SECONDS = 11.0


@dataclass(frozen=True)
class Drill:
    """One fault. `inject` does it and gives what showed that it was felt; it raises when it was not."""

    name: str
    injected: str
    inject: Callable[[Field], str]
    #: Seconds that healing may take.
    bound: float = 5
    shape: Shape = field(default_factory=Shape)
    plan: Plan = field(default_factory=Plan)


@dataclass
class Result:
    """One line of the table."""

    name: str
    injected: str
    passed: bool = False
    #: Seconds from the fault's end until everybody was back and pushes flowed between the nodes, until everybody had
    #: seen what was missed, and until every node told the truth about who is online.
    healed: float | None = None
    #: What the same took without a fault: senders pause, and other work on the machine takes its time.
    calm: float | None = None
    caught_up: float | None = None
    present: float | None = None
    verdict: Verdict | None = None
    notes: list[str] = field(default_factory=list)


def run(drill: Drill, folder: Path) -> Result:
    """Make the field, bring in the crowd, harm, watch it heal, judge. Whatever goes wrong is in the result."""
    result = Result(drill.name, drill.injected)
    try:
        field_ = Field(folder, drill.plan, drill.shape)
        try:
            _run_on(field_, drill, result)
        finally:
            field_.close()
    except Exception as exc:  # noqa: BLE001 - a drill that breaks is a line of the table, not the end of the others
        where = traceback.extract_tb(exc.__traceback__)[-1]
        result.notes.append(f"{type(exc).__name__}: {str(exc)[:300]} ({Path(where.filename).name}:{where.lineno})")
    return result


def _run_on(field_: Field, drill: Drill, result: Result) -> None:
    crowd = field_.crowd
    crowd.start()
    result.calm = _calm(crowd)
    evidence = drill.inject(field_)
    assert evidence, "nothing showed that the fault was felt"
    result.notes.append(evidence)
    since = field_.fault_over_at
    patience = 3 * drill.bound + 20
    result.healed = _seconds(lambda: crowd.pushed_at(since), since, patience)
    result.caught_up = _seconds(lambda: crowd.caught_up_at(since), since, patience)
    result.present = _seconds(lambda: time.monotonic() if field_.presence_is_true() else None, since, patience)
    time.sleep(1)
    crowd.settle()
    crowd.look_again(field_.heads())
    result.verdict = judge(field_.stories().values())
    result.notes += [_remarks(crowd), *result.verdict.findings]
    late = _lateness(result, drill.bound)
    result.notes += late
    result.passed = not late and result.verdict.holds and result.verdict.acked > 0


def _calm(crowd: Crowd) -> float | None:
    since = time.monotonic()
    return _seconds(lambda: crowd.pushed_at(since), since, 60)


def _lateness(result: Result, bound: float) -> list[str]:
    """What healed too late, beyond what the same takes without a fault. Presence may lag by a lease and a beat."""
    bounds = {"healed": bound, "caught_up": bound + _CATCH_UP_SECONDS, "present": max(bound, _PRESENCE_SECONDS)}
    late = []
    for name, most in bounds.items():
        took = getattr(result, name)
        if took is None or took > most + (result.calm or 0):
            late.append(f"{name.replace('_', ' ')} {'never' if took is None else 'late'}: bound {most:g} s")
    return late


def _seconds(moment: Callable[[], float | None], since: float, patience: float) -> float | None:
    """How long after `since` that moment was; None when it did not come in time."""
    while (at := moment()) is None:
        if time.monotonic() > since + patience:
            return None
        # Looking costs the crowd, which shares the process, its time.
        time.sleep(0.2)
    return max(0.0, at - since)


def _remarks(crowd: Crowd) -> str:
    sent_at = crowd.life.sent_at
    waits = [at - sent_at[name] for sender in crowd.senders for name, at in sender.acked_at.items()]
    again = sum(len(sender.troubles) for sender in crowd.senders)
    doubles = sum(sender.duplicates for sender in crowd.senders)
    load = f"load {os.getloadavg()[0]:.0f}"
    acks = f"{len(waits)} acked, slowest {max(waits, default=0):.1f} s, {again} retries, {doubles} found stored"
    return f"{len(crowd.people)} clients; {acks}; {load}"
