"""The connections of this node, in memory. On a node without Redis they are the presence of the whole cluster."""

import threading
from collections import Counter, deque
from collections.abc import Callable, Collection
from typing import Any

from imapp.cluster.registry.registry import ConnectionInfo
from imapp.telemetry import metrics

#: Called with a user id when the user came online (True) or went offline (False) in the cluster; must not block.
OnChange = Callable[[int, bool], None]

#: Connects (True) and disconnects (False) that are to be written to Redis, in order.
Journal = deque[tuple[bool, ConnectionInfo]]


class LocalPresence:
    """The connections of this node; implements presence.Presence."""

    def __init__(self, node_id: str) -> None:
        self._node = node_id
        self.open: dict[str, ConnectionInfo] = {}
        self._sids: dict[int, set[str]] = {}
        #: None until a heartbeat writes the connections to Redis.
        self.journal: Journal | None = None
        #: Set when the journal has a new entry.
        self.wake = threading.Event()
        self.on_change: OnChange = lambda _user_id, _is_online: None

    def connect(self, presence: ConnectionInfo) -> None:
        """Add a connection."""
        self.open[presence.sid] = presence
        sids = self._sids.setdefault(presence.user_id, set())
        sids.add(presence.sid)
        self._changed(presence, True, len(sids) == 1)

    def disconnect(self, sid: str) -> None:
        """Remove a connection."""
        presence = self.open.pop(sid, None)
        if presence is None:
            return
        sids = self._sids[presence.user_id]
        sids.discard(sid)
        if not sids:
            del self._sids[presence.user_id]
        self._changed(presence, False, not sids)

    def _changed(self, presence: ConnectionInfo, is_open: bool, is_change: bool) -> None:
        metrics.CONNECTIONS.set(len(self.open))
        metrics.ONLINE_USERS.set(len(self._sids))
        if self.journal is not None:
            self.journal.append((is_open, presence))
            self.wake.set()
        elif is_change:
            self.on_change(presence.user_id, is_open)

    def of_users(self, user_ids: Collection[int]) -> list[ConnectionInfo]:
        """Return the connections of these users on this node."""
        return [self.open[sid] for user_id in user_ids for sid in self._sids.get(user_id, ())]

    def users(self) -> Collection[int]:
        """Return the ids of the users with a connection on this node."""
        return self._sids.keys()

    def platforms(self) -> dict[str, int]:
        """Return the number of connections by platform."""
        return dict(Counter(one.platform or "unknown" for one in self.open.values()))

    # -- as the presence of the cluster --------------------------------------------------------------------------------

    def online_among(self, user_ids: Collection[int]) -> set[int]:
        """Return the ids of the given users with a connection on this node."""
        return {user_id for user_id in user_ids if user_id in self._sids}

    def all_users(self) -> list[int]:
        """Return the sorted ids of the users with a connection on this node."""
        return sorted(self._sids)

    def connections_of(self, user_id: int) -> list[tuple[str, ConnectionInfo]]:
        """Return (this node's id, connection) of each connection of the user here."""
        sids = list(self._sids.get(user_id, ()))
        return [(self._node, self.open[sid]) for sid in sids if sid in self.open]

    def connection(self, sid: str) -> ConnectionInfo | None:
        """Return a connection of this node; None if it has no such connection."""
        return self.open.get(sid)

    def connections(self, node_id: str) -> list[ConnectionInfo]:
        """Return the connections of this node; none for another one."""
        return list(self.open.values()) if node_id == self._node else []

    def reports(self) -> list[dict[str, Any]] | None:
        """Return None: without Redis there is no list of nodes."""
        return None

    def is_complete(self) -> bool:
        """Return True: there is no other node."""
        return True
