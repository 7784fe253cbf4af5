"""The history of the cluster over the last day, in steps, for operators."""

import math
import time
from collections import defaultdict
from datetime import UTC, datetime

from flask import current_app

from imapp.cluster.history import history_of
from imapp.extensions import settings
from imapp.schemas.history import HistoryOut, HistoryQuery, NodeStep, Point
from imapp.services.accounts.authentication import Actor, require_operator


def history(actor: Actor, query: HistoryQuery) -> HistoryOut:
    """Return the history of the last hours, of this node alone while Redis is away. Raises ForbiddenError."""
    require_operator(actor)
    return read(query)


def read(query: HistoryQuery) -> HistoryOut:
    """Return the history without a permission check, for the command line and for callers that have checked."""
    records = history_of(current_app).read(int(time.time()) - 3600 * query.hours)
    by_step: dict[int, list[NodeStep]] = defaultdict(list)
    for own in records.values() if query.node is None else [records.get(query.node, [])]:
        found = map(NodeStep.model_validate_json, own)
        # Steps of another length are left out: their counts cannot be added. One step is taken for each end time: a
        # clock that was set back records a step twice.
        steps = {step.at: step for step in found if step.step_seconds == settings.history_step_seconds}
        for at, step in steps.items():
            by_step[at].append(step)
    return HistoryOut(
        step_seconds=settings.history_step_seconds,
        nodes=sorted(node for node, own in records.items() if own),
        points=[_point(at, by_step[at], of_node=query.node is not None) for at in sorted(by_step)],
    )


def _point(at: int, steps: list[NodeStep], *, of_node: bool) -> Point:
    """Combine the nodes' steps. Each node counted the cluster's users at its own moment; the highest count wins."""
    writes = sum(step.writes for step in steps)
    seconds = sum(step.write_seconds for step in steps)
    p99 = _p99(steps)
    return Point(
        at=datetime.fromtimestamp(at, UTC),
        nodes=len(steps),
        connections=sum(step.connections for step in steps),
        users=max(step.users if of_node else step.cluster_users for step in steps),
        messages=sum(step.messages for step in steps),
        connects=sum(step.connects for step in steps),
        disconnects=sum(step.disconnects for step in steps),
        commands=sum(step.commands for step in steps),
        latency_ms=round(1000 * seconds / writes, 2) if writes else None,
        p99_ms=None if p99 is None else round(1000 * p99, 2),
        memory_bytes=sum(step.memory_bytes for step in steps),
        cpu=round(sum(step.cpu_seconds / step.step_seconds for step in steps), 3),
    )


def _p99(steps: list[NodeStep]) -> float | None:
    """Return the seconds that 99 % of the writes did not exceed, interpolated in a bucket as Prometheus does."""
    counts: dict[float, int] = defaultdict(int)
    for step in steps:
        for bound, count in step.write_buckets.items():
            counts[float(bound)] += count
    wanted = 0.99 * max(counts.values(), default=0)
    low, below = 0.0, 0
    for high in sorted(counts):
        if counts[high] >= wanted > 0:
            return low if math.isinf(high) else low + (high - low) * (wanted - below) / (counts[high] - below)
        low, below = high, counts[high]
    return None
