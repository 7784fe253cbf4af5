"""The results of a load test as plain data, without tokens: the source of the text, the JSON and the page."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path

from imapp import __version__
from imapp.load.histogram import ERROR
from imapp.load.json import JsonObject
from imapp.load.runner import Result

#: Counts of the whole run that must be 0, and the problem to report otherwise.
_FAULTS = {
    "lost": "{} deliveries of acknowledged messages are missing, and the receivers were not told to sync",
    "doubled": "{} messages were delivered twice",
    "reordered": "{} messages were delivered after a later one of the same sender",
    "unanswered": "{} messages were not answered",
    "owed_to_broken": "{} deliveries or acks are missing because their connections broke",
}


def report(result: Result) -> JsonObject:
    """Return the whole report."""
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


def machine() -> JsonObject:
    """Return the properties of the load client's machine."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(": ")[2] for line in lines if line.startswith("model name"))
    return {
        "system": platform.platform(), "python": platform.python_version(), "cores": os.cpu_count(),
        "processor": next(names, platform.machine()), "load_average": round(os.getloadavg()[0], 2),
    }  # fmt: skip


def problems(result: Result) -> list[str]:
    """Return the reasons why the test failed; empty if it passed."""
    counts = result.counts.as_dict()
    found = [text.format(counts[name]) for name, text in _FAULTS.items() if counts[name]]
    if result.counts.sent and not result.counts.acked:
        found.append("no message was acknowledged")
    last = result.steps[-1] if result.steps else None
    if last is not None and last["verdict"] == "errors" and not result.options.ramp:
        found.append(f"more than {result.options.error_bound:.0%} of the messages failed")
    return found


def notes(result: Result) -> list[str]:
    """Return facts that a reader needs to judge the figures."""
    found = []
    busiest = max((step["client_cpu"] for step in result.steps if step["client_busy"]), default=None)
    if busiest is not None:
        late = max(step["late"]["p99"] for step in result.steps if step["client_busy"])
        found.append(
            f"the load client itself was busy or starved: {busiest:.0%} of a core, p99 {late:.0f} ms late;"
            " results are a lower bound"
        )
    if result.events.get("sync_required"):
        found.append(f"the server told clients to sync {result.events['sync_required']} times")
    if result.is_interrupted:
        found.append("interrupted: the last step is shorter than requested")
    return [*found, *result.nodes.get("troubles", {}).values()]


def conclusion(result: Result) -> str:
    """Return one sentence about the load that the server carried."""
    carried = [step for step in result.steps if step["verdict"] == "carried"]
    bounds = f"p99 up to {result.options.p99_bound_ms:g} ms, errors up to {result.options.error_bound:.1%}"
    if not result.steps:
        return "Nothing was measured."
    if not carried and result.steps[-1]["verdict"] == "client busy":
        return "The load client was too busy, or got too little CPU, to measure the server."
    if not carried:
        return f"The server did not carry this load ({bounds})."
    best = carried[-1]
    text = (
        f"The server carried {best['rate']:g} messages/s ({best['deliveries_per_second']:g} deliveries/s) to"
        f" {result.meter.connect.count} connections ({bounds})"
    )
    last = result.steps[-1]
    return f"{text}; not {last['rate']:g}/s: {last['verdict']}." if last is not best else f"{text}."


def _histogram(result: Result) -> dict[str, list[tuple[float, int]]]:
    """Return the histograms of the last step that the server carried, or of the first step."""
    chosen = [
        pair for pair, step in zip(result.histograms, result.steps, strict=True) if step["verdict"] == "carried"
    ] or result.histograms[:1]
    if not chosen:
        return {"ack": [], "delivery": []}
    ack, delivery = chosen[-1]
    return {"ack": list(ack.coarse()), "delivery": list(delivery.coarse())}
