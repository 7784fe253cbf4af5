"""The users online, and their nodes."""

from typing import Literal

from imapp.schemas.base import In, Moment, Out
from imapp.schemas.validation import Cursor, Limit


class NodeOut(Out):
    """The connections and users of one node."""

    id: str
    connections: int
    users: int
    platforms: dict[str, int]


class NodeReport(NodeOut):
    """The report that a node sends with each heartbeat."""

    host: str
    pid: int
    port: int
    socketio_port: int | None
    state: Literal["up", "draining"]
    started_at: Moment
    rss_bytes: int
    version: str


class NodesOut(Out):
    """The latest report of every live node."""

    nodes: list[NodeReport]


class OnlineOut(Out):
    """The users online in the cluster: their number, one page of their ids in order, and each node.

    `user_ids` is empty for users that may not see it (IM_STATS_VISIBILITY).
    """

    count: int
    user_ids: list[int]
    next_cursor: str | None
    node_id: str
    nodes: list[NodeOut]
    #: Connections by kind of device, as the clients name it.
    platforms: dict[str, int]
    #: Redis is unavailable or refuses writes: the counts may lack the users of other nodes.
    degraded: bool


class OnlineQuery(In):
    """A page of the ids."""

    limit: Limit = 100
    cursor: Cursor | None = None
