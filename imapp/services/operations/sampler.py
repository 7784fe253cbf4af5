"""The sampler: it takes the activity of this node in each step from the metrics and stores it in the history."""

import threading
import time
from collections import Counter

from flask import Flask

from imapp.cluster import redis
from imapp.cluster.history import history_of
from imapp.cluster.registry import presence
from imapp.logs import get_logger
from imapp.node import node_of
from imapp.schemas.history import NodeStep
from imapp.telemetry import metrics

log = get_logger(__name__)

#: Names of samples, and the history's names for their increases within a step.
_COUNTED = {
    "imapp_message_seconds_count:committed": "messages",
    "imapp_connects_total": "connects",
    "imapp_disconnects_total": "disconnects",
    "imapp_commands_total": "commands",
    "imapp_write_seconds_count": "writes",
    "imapp_write_seconds_sum": "write_seconds",
    "imapp_cpu_seconds_total": "cpu_seconds",
}

#: Prefix of the names of the samples that count writes by their duration; the bound of the bucket follows.
_BUCKET = "imapp_write_seconds_bucket:"


class Sampler:
    """Thread that stores a sample of this node at the end of each step."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._step = node_of(app).settings.history_step_seconds
        self._before = _totals()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)

    def start(self) -> None:
        """Take a sample at the end of each step, on all nodes at the same moments."""
        self._thread.start()

    def stop(self) -> None:
        """Stop taking samples."""
        self._ending.set()

    def _run(self) -> None:
        while True:
            moment = time.time()
            at = end_of_step(moment, self._step)
            if self._ending.wait(at - moment):
                return
            try:
                self.take(at)
            except redis.RedisError as exc:
                log.debug("history_gap", error=type(exc).__name__)
            except Exception:  # the next step must come
                log.exception("history_failed")

    def take(self, at: int) -> None:
        """Store the step that ends at this Unix time; raises redis.RedisError."""
        totals = _totals()
        before, self._before = self._before, totals
        added = {name: totals[sample] - before[sample] for sample, name in _COUNTED.items()}
        buckets = [name for name in totals if name.startswith(_BUCKET)]
        with self._app.app_context():
            local = presence.local()
            step = NodeStep(
                at=at,
                step_seconds=self._step,
                connections=len(local.open),
                users=len(local.users()),
                cluster_users=presence.count(),
                write_buckets={name.removeprefix(_BUCKET): totals[name] - before[name] for name in buckets},
                memory_bytes=metrics.memory_bytes(),
                **added,
            )
        history_of(self._app).add(at, step.model_dump_json())


def end_of_step(moment: float, seconds: int) -> int:
    """Return the end of the current step, or of the next if less than half a step remains: timers may fire early."""
    return (int(moment / seconds + 0.5) + 1) * seconds


def _totals() -> Counter[str]:
    """Return all samples, summed over their labels, except that bucket bounds and message stages are kept apart."""
    found: Counter[str] = Counter()
    for family in metrics.registry.collect():
        for sample in family.samples:
            part = sample.labels.get("le") or sample.labels.get("stage")
            found[f"{sample.name}:{part}" if part else sample.name] += sample.value  # type: ignore[assignment]  # floats
    return found
