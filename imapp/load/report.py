"""What came of a load test, as plain data: the text, the JSON and the page are made of it. No token is in it."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from imapp import __version__
from imapp.load.histogram import ERROR
from imapp.load.runner import Result

#: Figures of the whole run that must be 0, and what they mean.
_FAULTS = {
    "lost": "{} deliveries of acknowledged messages did not come",
    "doubled": "{} deliveries came twice",
    "reordered": "{} deliveries came after a later one of the same sender",
    "unanswered": "{} messages were not answered",
    "owed_to_broken": "{} deliveries or acks could not come because their connections broke",
}


def report(result: Result) -> dict[str, Any]:
    """Everything."""
    counts = result.counts.as_dict()
    return {
        "version": __version__,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "options": result.options.shown(),
        "trouble": result.trouble,
        "is_interrupted": result.is_interrupted,
        "problems": problems(result),
        "notes": notes(result),
        "conclusion": conclusion(result),
        "connect": {"count": result.meter.connect.count, **result.meter.connect.summary()},
        "counts": counts,
        "events": dict(result.events),
        "errors": dict(result.meter.errors),
        "steps": result.steps,
        "histogram": _histogram(result),
        "histogram_error": ERROR,
        "seconds": result.meter.rows,
        "nodes": result.nodes,
    }


def machine() -> dict[str, Any]:
    """Where the load client ran."""
    return {
        "system": platform.platform(), "python": platform.python_version(), "cores": os.cpu_count(),
        "processor": _processor(), "load_average": round(os.getloadavg()[0], 2),
    }  # fmt: skip


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def problems(result: Result) -> list[str]:
    """Why the test failed; empty when it passed."""
    counts = result.counts.as_dict()
    found = [text.format(counts[name]) for name, text in _FAULTS.items() if counts[name]]
    if result.counts.sent and not result.counts.acked:
        found.append("no message was acknowledged")
    last = result.steps[-1] if result.steps else None
    if last is not None and last["verdict"] == "errors" and not result.options.ramp:
        found.append(f"more than {result.options.error_bound:.0%} of the messages failed")
    return found


def notes(result: Result) -> list[str]:
    """What a reader must know before believing the figures."""
    found = []
    busiest = max((step["client_cpu"] for step in result.steps if step["client_busy"]), default=None)
    if busiest is not None:
        late = max(step["late"]["p99"] for step in result.steps if step["client_busy"])
        found.append(
            f"the load client itself was busy or starved: {busiest:.0%} of a core, p99 {late:.0f} ms late;"
            " results are a lower bound"
        )
    if result.events.get("sync_required"):
        found.append(f"{result.events['sync_required']} times the server told a client to sync: it knew of lost pushes")
    if result.is_interrupted:
        found.append("interrupted: the last step is shorter than asked")
    return [*found, *result.nodes.get("troubles", {}).values()]


def conclusion(result: Result) -> str:
    """One sentence: what the server carried."""
    carried = [step for step in result.steps if step["verdict"] == "carried"]
    bounds = f"p99 up to {result.options.p99_bound_ms:g} ms, errors up to {result.options.error_bound:.1%}"
    if not carried:
        return _without_result(result, bounds)
    best = carried[-1]
    text = (
        f"The server carried {best['rate']:g} messages/s ({best['deliveries_per_second']:g} deliveries/s) to"
        f" {result.meter.connect.count} connections ({bounds})"
    )
    last = result.steps[-1]
    return f"{text}; not {last['rate']:g}/s: {last['verdict']}." if last is not best else f"{text}."


def _without_result(result: Result, bounds: str) -> str:
    if not result.steps:
        return "Nothing was measured."
    if result.steps[-1]["verdict"] == "client busy":
        return "The load client was too busy or starved to say what the server carries."
    return f"The server did not carry this load ({bounds})."


def _histogram(result: Result) -> dict[str, list[tuple[float, int]]]:
    """Of the last step that was carried, or of the first."""
    chosen = [
        pair for pair, step in zip(result.histograms, result.steps, strict=True) if step["verdict"] == "carried"
    ] or result.histograms[:1]
    if not chosen:
        return {"ack": [], "delivery": []}
    ack, delivery = chosen[-1]
    return {"ack": list(ack.coarse()), "delivery": list(delivery.coarse())}
