"""How busy the cluster and its nodes are."""

from imapp.schemas.base import Moment, Out
from imapp.schemas.stats import NodeReport


class Rates(Out):
    """Of the step that ended at `at`; the latency is of writes, null where there was none."""

    at: Moment
    messages_per_second: float
    commands_per_second: float
    connects_per_second: float
    disconnects_per_second: float
    latency_ms: float | None
    p99_ms: float | None
    #: Processor cores taken.
    cpu: float


class NodeStats(NodeReport):
    """A node's report with its rates; null before its first step has ended."""

    rates: Rates | None


class ClusterStats(Out):
    """All nodes together, a user of several counted once; and each of them."""

    users: int
    connections: int
    #: Connections by kind of device, as the clients name it.
    platforms: dict[str, int]
    step_seconds: int
    rates: Rates | None
    nodes: list[NodeStats]
