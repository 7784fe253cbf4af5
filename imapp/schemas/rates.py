"""Rates of the cluster and its nodes."""

from imapp.schemas.base import Moment, Out
from imapp.schemas.stats import NodeReport


class Rates(Out):
    """Rates of the step that ended at `at`; the latency is that of writes, null if there was none."""

    at: Moment
    messages_per_second: float
    commands_per_second: float
    connects_per_second: float
    disconnects_per_second: float
    latency_ms: float | None
    p99_ms: float | None
    #: Processor cores used.
    cpu: float


class NodeStats(NodeReport):
    """A node's report with its rates, which are null before the node's first step has ended."""

    rates: Rates | None


class ClusterStats(Out):
    """The totals of all nodes, with each user counted once, and each node by itself."""

    users: int
    connections: int
    #: Connections by kind of device, as the clients name it.
    platforms: dict[str, int]
    step_seconds: int
    rates: Rates | None
    nodes: list[NodeStats]
