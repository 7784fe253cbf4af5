"""Who is online, and on which nodes."""

from typing import Literal

from imapp.schemas.base import In, Moment, Out
from imapp.schemas.validation import Cursor, Limit


class NodeOut(Out):
    """One node's share."""

    id: str
    connections: int
    users: int
    platforms: dict[str, int]


class NodeReport(NodeOut):
    """What a node tells of itself with each heartbeat."""

    host: str
    pid: int
    port: int
    socketio_port: int | None
    state: Literal["up", "draining"]
    started_at: Moment
    rss_bytes: int
    version: str


class NodesOut(Out):
    """Every living node's latest report."""

    nodes: list[NodeReport]


class OnlineOut(Out):
    """All of the cluster: how many users, one page of their ids in order, and each node.

    `user_ids` is empty for users who may not see it: IM_STATS_VISIBILITY says who may.
    """

    count: int
    user_ids: list[int]
    next_cursor: str | None
    node_id: str
    nodes: list[NodeOut]
    #: Connections by kind of device, as the clients name it.
    platforms: dict[str, int]
    #: Redis is away or refuses writes: the counts may lack the users of other nodes.
    degraded: bool


class OnlineQuery(In):
    """Which page of the ids."""

    limit: Limit = 100
    cursor: Cursor | None = None
