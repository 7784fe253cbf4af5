"""Finds what clients were not told, whatever the reason: compares what this node has pushed with what is stored.

A push can be lost where nobody notices: the node died between the commit and the push, the answer to a COMMIT never
came, an order for a room was overtaken. The clients then believe that they are level until something else happens in
that conversation. So every IM_RECONCILE_SECONDS each node compares

- of each conversation with a member here, the stored number of the last change with the greatest one pushed here;
- of each user here, how much the version of the own state has grown with how many pushes the user got;
- of each user here, the stored memberships with the rooms of the user's connections.

What differs is compared again after GRACE_SECONDS, because a push may be on its way. What differs still was lost: the
connections concerned are put into the right rooms and told to sync (catching_up.py). A false alarm costs one sync.
"""

import time
from collections.abc import Callable, Collection, Iterator
from typing import Any, TypeVar

from imapp import metrics
from imapp.cluster import bus
from imapp.logs import get_logger
from imapp.realtime.told import Told, conversation_of
from imapp.services import heads

log = get_logger(__name__)

T = TypeVar("T")

#: Seconds until what differs is compared again. With the seconds between two looks it bounds how long a client can miss
#: something without being told to sync.
GRACE_SECONDS = 3.0

#: Seconds until the first look at conversations that have got their first member here.
_TICK_SECONDS = 1.0

#: Conversations or users in one query, and the pause in seconds after it: the node serves its clients meanwhile.
_SLICE = 500
_PAUSE = 0.01


class Reconciler:
    """See the module. `told` is filled by the manager of the server's rooms."""

    def __init__(self, server: Any, told: Told) -> None:
        self._server = server
        self._told = told
        #: The version of each user's own state at the last look, and how many pushes the user had got by then.
        self._versions: dict[int, tuple[int, int]] = {}
        self._seconds = server.app.config["IMAPP"].reconcile_seconds
        self._due = time.monotonic() + self._seconds

    def run(self) -> None:
        """Look for ever."""
        while not self._server.is_draining:
            self._server.sleep(_TICK_SECONDS)
            try:
                self._adopt()
                if time.monotonic() >= self._due:
                    self._due = time.monotonic() + self._seconds
                    self.look()
            except Exception as exc:  # noqa: BLE001 - the database may be away; the next look must come
                log.warning("reconciliation_failed", error=type(exc).__name__)

    def ask(self) -> None:
        """Look at the next tick."""
        self._due = time.monotonic()

    def look(self) -> None:
        """Compare everything once; have those sync who were not told."""
        behind, owed, misplaced = self._behind(), self._owed(), self._misplaced(self._users())
        if not (behind or owed or misplaced):
            return
        self._server.sleep(GRACE_SECONDS)
        told = self._told
        lost = [bus.conversation_room(id_) for id_, change in behind.items() if told.change_of(id_) < change]
        lost += [bus.user_room(id_) for id_, pushes in owed.items() if told.pushes[id_] < pushes]
        lost += map(bus.user_room, self._misplaced(misplaced))
        for id_, change in behind.items():
            told.note_change(id_, change)
        if lost:
            sids = {sid for room in lost for sid, _ in self._server.manager.get_participants(bus.NAMESPACE, room)}
            metrics.UNTOLD.inc(len(sids))
            log.warning("clients_untold", rooms=len(lost), connections=len(sids))
            self._server.catch_up(list(sids), "untold")

    # -- comparing ---------------------------------------------------------------------------------------------------

    def _adopt(self) -> None:
        """Note how far conversations are that have got their first member here, and the states of users who came."""
        for id_, change in self._read(heads.last_changes, self._told.new()):
            self._told.note_change(id_, change)
        pushes = dict(self._told.pushes)
        for id_, version in self._read(heads.versions, self._users() - self._versions.keys()):
            self._versions[id_] = version, pushes.get(id_, 0)

    def _behind(self) -> dict[int, int]:
        """The conversations of which a change is stored that has not been pushed here, with that change."""
        ids = [id_ for id_, change in self._told.changes.items() if change is not None]
        found = self._read(heads.last_changes, ids)
        return {id_: change for id_, change in found if self._told.change_of(id_) < change}

    def _owed(self) -> dict[int, int]:
        """The users whose own state has changed more often than they got pushes, with the pushes due in all."""
        before, self._versions = self._versions, {}
        owed = {}
        pushes = dict(self._told.pushes)
        for id_, version in self._read(heads.versions, self._users()):
            self._versions[id_] = version, pushes.get(id_, 0)
            last_version, last_pushes = before.get(id_, (version, 0))
            due = last_pushes + version - last_version
            if version > last_version and self._told.pushes[id_] < due:
                owed[id_] = due
        return owed

    def _misplaced(self, user_ids: Collection[int]) -> set[int]:
        """The users of whom a connection is not in the rooms of their conversations, or in others."""
        stored = dict(self._read(heads.memberships, user_ids))
        manager = self._server.manager
        return {
            id_
            for id_ in user_ids
            for sid, _ in manager.get_participants(bus.NAMESPACE, bus.user_room(id_))
            if self._present(manager.get_rooms(sid, bus.NAMESPACE)) != stored.get(id_, heads.NOWHERE)
        }

    @staticmethod
    def _present(rooms: list[str]) -> heads.Digest:
        ids = [id_ for room in rooms if (id_ := conversation_of(room)) is not None]
        return len(ids), sum(ids)

    def _users(self) -> set[int]:
        return {connection.user_id for connection in self._server.connections.all()}

    def _read(self, read: Callable[[Collection[int]], dict[int, T]], ids: Collection[int]) -> Iterator[tuple[int, T]]:
        """What is stored of these conversations or users, read in slices."""
        wanted = list(ids)
        for start in range(0, len(wanted), _SLICE):
            if start:
                self._server.sleep(_PAUSE)
            with self._server.app.app_context():
                found = read(wanted[start : start + _SLICE])
            yield from found.items()
