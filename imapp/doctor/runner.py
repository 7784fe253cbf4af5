"""The runner of the checks: all run concurrently, with a time limit. A check that hangs or crashes counts as failed."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from imapp.doctor.context import Context
from imapp.doctor.finding import Finding, fail

Check = Callable[[Context], Finding]

#: Time limit of all checks in seconds, longer than the longest wait for the database (connect, read) and for the nodes.
SECONDS = 25.0

_AGAIN = "flask --app wsgi im doctor --only {}"


@dataclass(frozen=True)
class Result:
    """The finding of one check, and the seconds that it took."""

    name: str
    finding: Finding
    seconds: float


def select_checks(checks: dict[str, Check], only: tuple[str, ...]) -> dict[str, Check]:
    """Return the checks of the given names or groups (the part before the dot); without any, all checks."""
    return {name: check for name, check in checks.items() if not only or {name, name.partition(".")[0]} & set(only)}


def run_checks(context: Context, checks: dict[str, Check], seconds: float = SECONDS) -> list[Result]:
    """Run all checks concurrently; return the results in the order of the checks, after `seconds` at the latest."""
    began = time.monotonic()
    futures: dict[str, Future[tuple[Finding, float]]] = {name: Future() for name in checks}
    for name, future in futures.items():
        threading.Thread(target=_run, args=(context, checks[name], future), daemon=True).start()
    return [_result(name, future, began, seconds) for name, future in futures.items()]


def _run(context: Context, check: Check, future: "Future[tuple[Finding, float]]") -> None:
    try:
        with context.app.app_context():
            finding = check(context)
    except Exception as exc:  # noqa: BLE001 - the other checks continue
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
        cure = "The server that this check asks hangs: see the other lines, then run this check alone."
        return Result(name, fail(text, cure, _AGAIN.format(name)), seconds)
    except Exception as exc:  # noqa: BLE001 - the check's own exception
        return Result(name, _crash(name, exc), time.monotonic() - began)
    return Result(name, finding, ended - began)


def _crash(name: str, exc: Exception) -> Finding:
    """Return the finding of a check that raised: the first line only, without the SQL statement (it may be private)."""
    words = str(getattr(exc, "orig", None) or exc).splitlines()[:1]
    text = ": ".join([type(exc).__name__, *words])
    return fail(text, "The check failed with this error: see its text, and run the check alone.", _AGAIN.format(name))


def exit_code(results: list[Result]) -> int:
    """Return 0 without problems, 1 with warnings only, 2 with a failure."""
    statuses = {result.finding.status for result in results}
    return 2 if "FAIL" in statuses else 1 if "WARN" in statuses else 0
