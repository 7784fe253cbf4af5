"""The last day in short steps, for each node and for the cluster."""

from typing import Annotated

from pydantic import Field

from imapp.schemas.base import In, Moment, Out


class NodeStep(Out):
    """The counts of one node within one step that ended at `at` (Unix time in seconds)."""

    at: int
    step_seconds: int
    connections: int
    users: int
    #: Users online in the whole cluster, each counted once, as far as this node could tell.
    cluster_users: int
    messages: int
    connects: int
    disconnects: int
    commands: int
    writes: int
    write_seconds: float
    #: Number of writes by upper bound of their seconds, cumulative as in Prometheus.
    write_buckets: dict[str, int]
    memory_bytes: int
    cpu_seconds: float


class Point(Out):
    """One step. Messages, connects, disconnects and commands are counts; divide by `step_seconds` to get rates."""

    at: Moment
    #: Number of nodes that reported this step.
    nodes: int
    connections: int
    users: int
    messages: int
    connects: int
    disconnects: int
    commands: int
    #: Mean time of a write, from queueing to its answer; null if there was none.
    latency_ms: float | None
    p99_ms: float | None
    memory_bytes: int
    #: Processor cores used; a node can use at most one for its work.
    cpu: float


class HistoryOut(Out):
    """Points from old to new; a step that no node reported has none."""

    step_seconds: int
    #: The nodes that reported any step, including dead nodes.
    nodes: list[str]
    points: list[Point]


class HistoryQuery(In):
    """How many hours back, and for which node; without `node`, for the whole cluster."""

    hours: Annotated[int, Field(ge=1, le=24)] = 24
    node: Annotated[str, Field(min_length=1, max_length=32)] | None = None
