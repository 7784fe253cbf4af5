"""Who is online."""

from imapp.schemas.base import In, Out
from imapp.schemas.validation import Cursor, Limit


class NodeOut(Out):
    """One node's share."""

    id: str
    connections: int
    users: int
    platforms: dict[str, int]


class OnlineOut(Out):
    """All of the cluster: how many users, one page of their ids in order, and each node."""

    count: int
    user_ids: list[int]
    next_cursor: str | None
    node_id: str
    nodes: list[NodeOut]
    #: Connections by kind of device, as the clients name it.
    platforms: dict[str, int]


class OnlineQuery(In):
    """Which page of the ids."""

    limit: Limit = 100
    cursor: Cursor | None = None
