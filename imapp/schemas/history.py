"""The last day in short steps: of each node, and of the cluster."""

from typing import Annotated

from pydantic import Field

from imapp.schemas.base import In, Moment, Out


class NodeStep(Out):
    """What one node counted within one step that ended at `at` (Unix time in seconds)."""

    at: int
    step_seconds: int
    connections: int
    users: int
    #: Of the whole cluster, each user once, as far as this node could tell.
    cluster_users: int
    messages: int
    connects: int
    disconnects: int
    commands: int
    writes: int
    write_seconds: float
    #: Writes that took at most so many seconds, by bound; as Prometheus counts them.
    write_buckets: dict[str, int]
    memory_bytes: int
    cpu_seconds: float


class Point(Out):
    """One step. Messages, connects, disconnects and commands are how many within it: rates are theirs by the second."""

    at: Moment
    #: So many nodes told of this step.
    nodes: int
    connections: int
    users: int
    messages: int
    connects: int
    disconnects: int
    commands: int
    #: Of a write, from its queueing to its answer; null where there was none.
    latency_ms: float | None
    p99_ms: float | None
    memory_bytes: int
    #: Processor cores taken; a node has one at most for its work.
    cpu: float


class HistoryOut(Out):
    """Points from old to new; a step that no node told of has none."""

    step_seconds: int
    #: The nodes that told of any step, those that are dead by now included.
    nodes: list[str]
    points: list[Point]


class HistoryQuery(In):
    """How far back, and of which node; of all without one."""

    hours: Annotated[int, Field(ge=1, le=24)] = 24
    node: Annotated[str, Field(min_length=1, max_length=32)] | None = None
