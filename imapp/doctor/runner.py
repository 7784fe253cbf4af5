"""Runs the checks side by side, each within its time: what hangs or crashes is that check's own failure."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from imapp.doctor.case import Case
from imapp.doctor.finding import Finding, fail

Check = Callable[[Case], Finding]

#: Seconds that a check may take: more than the longest wait for the database (connect, read) and for all nodes.
SECONDS = 25.0

_AGAIN = "flask --app wsgi im doctor --only {}"


@dataclass(frozen=True)
class Result:
    """One row."""

    name: str
    finding: Finding
    seconds: float


def chosen(checks: dict[str, Check], only: tuple[str, ...]) -> dict[str, Check]:
    """Those of the names, or of the groups (what stands before the dot), that were asked for; all when none was."""
    return {name: check for name, check in checks.items() if not only or {name, name.partition(".")[0]} & set(only)}


def examine(case: Case, checks: dict[str, Check], seconds: float = SECONDS) -> list[Result]:
    """Run them all at once; gives the results in the order of the checks, after `seconds` at the latest."""
    began = time.monotonic()
    futures = {name: _start(case, check) for name, check in checks.items()}
    return [_result(name, future, began, seconds) for name, future in futures.items()]


def _start(case: Case, check: Check) -> "Future[tuple[Finding, float]]":
    future: Future[tuple[Finding, float]] = Future()
    threading.Thread(target=_run, args=(case, check, future), daemon=True).start()
    return future


def _run(case: Case, check: Check, future: "Future[tuple[Finding, float]]") -> None:
    try:
        with case.app.app_context():
            finding = check(case)
    except Exception as exc:  # noqa: BLE001 - the others go on
        future.set_exception(exc)
    else:
        future.set_result((finding, time.monotonic()))


def _result(name: str, future: "Future[tuple[Finding, float]]", began: float, seconds: float) -> Result:
    try:
        finding, ended = future.result(max(0.0, began + seconds - time.monotonic()))
    except TimeoutError as exc:
        if future.done():
            return Result(name, _crash(name, exc), time.monotonic() - began)
        text = f"no answer within {seconds:.0f} s"
        cure = "Whatever it asks hangs: look at the other lines, then try this one alone."
        return Result(name, fail(text, cure, _AGAIN.format(name)), seconds)
    except Exception as exc:  # noqa: BLE001 - what the check raised
        return Result(name, _crash(name, exc), time.monotonic() - began)
    return Result(name, finding, ended - began)


def _crash(name: str, exc: Exception) -> Finding:
    """The first line only, and without the statement that failed: it may hold what is nobody's business."""
    words = str(getattr(exc, "orig", None) or exc).splitlines()[:1]
    text = ": ".join([type(exc).__name__, *words])
    return fail(text, "The check could not be made: see what it says, and try it alone.", _AGAIN.format(name))


def exit_code(results: list[Result]) -> int:
    """0 all is well, 1 warnings only, 2 a failure."""
    statuses = {result.finding.status for result in results}
    return 2 if "FAIL" in statuses else 1 if "WARN" in statuses else 0
