"""Who is online: on this node, and in the whole cluster.

A user is online while at least one connection is open on any node. This node's connections are kept here, whatever
happens to Redis. In a cluster a heartbeat (heart.py) carries them to Redis (register.py), in the order in which they
came and went, and tells who came online or went offline in the cluster; questions about others are put to Redis, and
answered from this node alone while Redis is away.
"""

import bisect
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Collection
from typing import Any

from flask import Flask, current_app

from imapp import metrics
from imapp.cluster import redis
from imapp.cluster.register import Presence, Register

#: Seconds for which the list of all users online may be reused.
_LIST_SECONDS = 1.0

_EXTENSION = "imapp.presence"

#: Told that a user came online (True) or went offline, in the cluster; must not block.
OnChange = Callable[[int, bool], None]


class LocalPresence:
    """The connections of this node."""

    def __init__(self) -> None:
        self.open: dict[str, Presence] = {}
        self._sids: dict[int, set[str]] = {}
        #: What Redis is to be told, in order; None while there is no Redis to tell.
        self.journal: deque[tuple[bool, Presence]] | None = None
        #: Set when there is something to tell.
        self.wake = threading.Event()
        self.on_change: OnChange = lambda _user_id, _is_online: None
        self._listed: tuple[float, list[int]] = (0.0, [])

    def connect(self, presence: Presence) -> None:
        """Note a connection."""
        self.open[presence.sid] = presence
        sids = self._sids.setdefault(presence.user_id, set())
        sids.add(presence.sid)
        self._changed(presence, True, len(sids) == 1)

    def disconnect(self, sid: str) -> None:
        """Forget a connection."""
        presence = self.open.pop(sid, None)
        if presence is None:
            return
        sids = self._sids[presence.user_id]
        sids.discard(sid)
        if not sids:
            del self._sids[presence.user_id]
        self._changed(presence, False, not sids)

    def _changed(self, presence: Presence, is_open: bool, is_change: bool) -> None:
        metrics.CONNECTIONS.set(len(self.open))
        metrics.ONLINE_USERS.set(len(self._sids))
        if self.journal is not None:
            self.journal.append((is_open, presence))
            self.wake.set()
        elif is_change:
            self.on_change(presence.user_id, is_open)

    def of_users(self, user_ids: Collection[int]) -> list[Presence]:
        """The connections of these users."""
        return [self.open[sid] for user_id in user_ids for sid in self._sids.get(user_id, ())]

    def users(self) -> Collection[int]:
        """Those with a connection here."""
        return self._sids.keys()

    def of(self, user_id: int) -> list[Presence]:
        """The connections of a user here."""
        return [self.open[sid] for sid in list(self._sids.get(user_id, ())) if sid in self.open]

    def platforms(self) -> dict[str, int]:
        """How many connections of each kind of device."""
        return dict(Counter(one.platform or "unknown" for one in self.open.values()))

    def listed(self, register: Register | None) -> list[int]:
        """All users online in the cluster, in order; up to a second old."""
        moment, ids = self._listed
        if register is None:
            return sorted(self._sids)
        if time.monotonic() - moment > _LIST_SECONDS:
            found = redis.ask(register.all_users)
            # A Redis that refuses writes forgets this node with its lease: its own users are online all the same.
            ids = sorted({*(found or ()), *self._sids})
            self._listed = (time.monotonic(), ids)
        return ids


def local() -> LocalPresence:
    """The connections of the app at hand on this node."""
    return local_of(current_app)


def local_of(app: Flask) -> LocalPresence:
    """The connections of an app on this node."""
    found: LocalPresence = app.extensions.setdefault(_EXTENSION, LocalPresence())
    return found


def register_of(app: Flask) -> Register | None:
    """What the cluster knows, through Redis; None for a node that is alone."""
    client = redis.client_of(app)
    settings = app.config["IMAPP"]
    return None if client is None else Register(client, settings.cluster_name, settings.node_id)


def is_online(user_id: int) -> bool:
    """Tell whether the user has a connection anywhere."""
    return user_id in online_among([user_id])


def online_among(user_ids: list[int]) -> set[int]:
    """Those of the users who are online; one question to Redis at most."""
    here = {user_id for user_id in user_ids if user_id in local().users()}
    others = [user_id for user_id in user_ids if user_id not in here]
    register = register_of(current_app) if others else None
    if register is None:
        return here
    return here | (redis.ask(lambda: register.online_among(others)) or set())


def count() -> int:
    """How many users are online."""
    return len(local().listed(register_of(current_app)))


def is_complete() -> bool:
    """Tell whether the cluster's counts include every node; not while Redis is away or refuses this node's lease."""
    if register_of(current_app) is None:
        return True
    here = current_app.config["IMAPP"].node_id
    return any(report["id"] == here for report in reports() or ())


def user_ids(after: int = 0, limit: int = 100) -> list[int]:
    """A page of the ids of those online, in order, greater than `after`."""
    ordered = local().listed(register_of(current_app))
    start = bisect.bisect_right(ordered, after)
    return ordered[start : start + limit]


def connections_of(user_id: int) -> list[tuple[str, Presence]]:
    """The connections of a user, each with its node; those of this node only while Redis is away."""
    here = current_app.config["IMAPP"].node_id
    own = [(here, one) for one in local().of(user_id)]
    register = register_of(current_app)
    found = None if register is None else redis.ask(lambda: register.connections_of(user_id))
    return own + [(node, one) for node, one in found or [] if node != here]


def connection(sid: str) -> Presence | None:
    """One connection, on whichever node it is; None when there is none, or while Redis is away."""
    register = register_of(current_app)
    own = local().open.get(sid)
    return own if own is not None or register is None else redis.ask(lambda: register.connection(sid))


def reports() -> list[dict[str, Any]] | None:
    """The latest reports of the living nodes (heart.Heart.report); None for a node that is alone or without Redis."""
    register = register_of(current_app)
    return None if register is None else redis.ask(register.reports)
