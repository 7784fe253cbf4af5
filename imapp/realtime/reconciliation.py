"""Finds what clients were not told, whatever the reason: compares what this node has pushed with what is stored.

A push can be lost where nobody notices: the node died between the commit and the push, the answer to a COMMIT never
came, an order for a room was overtaken. The clients then believe that they are level until something else happens in
that conversation. So every IM_RECONCILE_SECONDS each node compares

- of each conversation with a member here, the stored number of the last change with the greatest one pushed here;
- of each user here, how much the version of the own state has grown with how many pushes the user got;
- of each user whose version has grown or whose connections were moved by an order, and of some others in turn, the
  stored memberships with the rooms of the user's connections;
- of each connection here, whether its session has ended.

What differs is compared again after GRACE_SECONDS, because a push may be on its way. What differs still was lost: the
connections concerned are put into the right rooms and told to sync (catching_up.py). A false alarm costs one sync.

Sums of a thousand numbers are compared first: where nothing happens a look costs a query for a thousand conversations.
Sums that agree hide nothing, because no number here is greater than the stored one that is read after it.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import timedelta
from typing import Any, TypeVar

from imapp import metrics
from imapp.cluster import bus
from imapp.logs import get_logger
from imapp.realtime.told import Told, conversation_of
from imapp.schemas.base import now
from imapp.services import access, heads

log = get_logger(__name__)

T = TypeVar("T")

#: Seconds until what differs is compared again. With the seconds between two looks it bounds how long a client can miss
#: something without being told to sync.
GRACE_SECONDS = 3.0

#: Seconds until the first look at conversations that have got their first member here by an order.
_TICK_SECONDS = 1.0

#: Looks in which the rooms of every user are compared once, whatever happened to the user.
_ROUND = 15

#: How long ago a node that is found dead may have set a read mark at most: its lease, and clocks that differ.
_DYING = timedelta(seconds=30)

#: Conversations or users in one query, and the pause in seconds after it: the node serves its clients meanwhile.
_SLICE = 1000
_PAUSE = 0.01


class Reconciler:
    """See the module. `told` is filled by the manager of the server's rooms."""

    def __init__(self, server: Any, told: Told) -> None:
        self._server = server
        self._told = told
        #: The version of each user's own state at the last look, and how many pushes the user had or should have got.
        self._versions: dict[int, tuple[int, int]] = {}
        self._looks = 0
        #: Whether a node has died since the last look.
        self._is_node_lost = False
        self._seconds = server.app.config["IMAPP"].reconcile_seconds
        self._due = time.monotonic() + self._seconds

    def run(self) -> None:
        """Look for ever."""
        while not self._server.is_draining:
            self._server.sleep(_TICK_SECONDS)
            try:
                with self._server.app.app_context():
                    self.adopt()
                if time.monotonic() >= self._due:
                    self._due = time.monotonic() + self._seconds
                    self.look()
            except Exception as exc:  # noqa: BLE001 - the database may be away; the next look must come
                log.warning("reconciliation_failed", error=type(exc).__name__)

    def ask(self, *, is_node_lost: bool = False) -> None:
        """Look at the next tick; after the death of a node at everything that it may have left untold."""
        self._is_node_lost |= is_node_lost
        self._due = time.monotonic()

    def adopt(self) -> None:
        """Note how far conversations and users are that have got their first connection here.

        In an app context, before the client is let in or told to sync: what comes after this it may miss.
        """
        told = self._told
        conversations, told.new_conversations = told.new_conversations, set()
        users, told.new_users = told.new_users, set()
        try:
            if conversations:
                for id_, change in heads.last_changes(conversations).items():
                    told.adopt(id_, change)
            if users:
                pushes = {id_: told.pushes_to(id_) for id_ in users}
                versions = heads.versions(users)
                self._versions.update({id_: (versions.get(id_, 0), pushes[id_]) for id_ in users})
        except Exception:
            told.new_conversations |= conversations
            told.new_users |= users
            raise

    def look(self) -> None:
        """Compare once; have those sync who were not told. What a failed look has found, the next one finds again."""
        told = self._told
        versions, moved, is_node_lost = self._versions, told.moved, self._is_node_lost
        self._versions, told.moved, self._is_node_lost = dict(versions), set(), False
        try:
            self._look(set(moved), is_node_lost=is_node_lost)
        except Exception:
            self._versions.update(versions)
            told.moved |= moved
            self._is_node_lost |= is_node_lost
            raise

    def _look(self, suspects: set[int], *, is_node_lost: bool) -> None:
        told = self._told
        users = self._users()
        self._looks += 1
        turn = users if is_node_lost else {id_ for id_ in users if id_ % _ROUND == self._looks % _ROUND}
        self._close_ended(turn)
        behind, owed = self._behind(), self._owed(users, suspects)
        misplaced = self._misplaced((suspects & users) | turn)
        lately_read = self._lately_read() if is_node_lost else []
        if not (behind or owed or misplaced or lately_read):
            return
        self._server.sleep(GRACE_SECONDS)
        lost = {
            "changes": [bus.conversation_room(id_) for id_, change in behind.items() if told.change_of(id_) < change],
            "own_states": [bus.user_room(id_) for id_, pushes in owed.items() if told.pushes_to(id_) < pushes],
            "memberships": list(map(bus.user_room, self._misplaced(misplaced))),
            "read_marks": lately_read,
        }
        for id_, change in behind.items():
            told.note([bus.conversation_room(id_)], change)
        if any(lost.values()):
            self._tell(lost)

    def _tell(self, lost: dict[str, list[str]]) -> None:
        """Have the connections in these rooms sync; the log says how many rooms were found in which comparison."""
        rooms = {room for found in lost.values() for room in found}
        sids = {sid for room in rooms for sid, _ in self._server.manager.get_participants(bus.NAMESPACE, room)}
        metrics.UNTOLD.inc(len(sids))
        log.warning("clients_untold", connections=len(sids), **{kind: len(found) for kind, found in lost.items()})
        self._server.catch_up(list(sids), "untold")

    def _close_ended(self, users: set[int]) -> None:
        """Have connections of these users closed whose session was ended by a node that did not live to say so."""
        connections = [one for one in self._server.connections.all() if one.user_id in users]
        ended: set[int] = set()
        for ids in self._slices({connection.session_id for connection in connections}):
            ended |= self._read(access.ended_sessions, ids)
        self._server.catch_up([one.sid for one in connections if one.session_id in ended], "untold")

    def _lately_read(self) -> list[str]:
        """The rooms where others see read marks and one was set lately: receipts, which have no number, may be lost."""
        since = now() - _DYING
        found: list[int] = []
        for ids in self._slices(self._told.known()):
            found += self._read(lambda ids: heads.read_since(ids, since), ids)
        return list(map(bus.conversation_room, found))

    # -- comparing ---------------------------------------------------------------------------------------------------

    def _behind(self) -> dict[int, int]:
        """The conversations of which a change is stored that has not been pushed here, with that change."""
        told = self._told
        behind: dict[int, int] = {}
        for ids in self._slices(told.known()):
            pushed = sum(map(told.change_of, ids))
            if self._read(heads.sum_of_changes, ids) != pushed:
                stored = self._read(heads.last_changes, ids)
                behind.update((id_, change) for id_, change in stored.items() if told.change_of(id_) < change)
        return behind

    def _owed(self, users: set[int], grown: set[int]) -> dict[int, int]:
        """The users whose own state has changed more often than they got pushes, with the pushes due in all.

        Those whose version has grown are added to `grown`.
        """
        told = self._told
        self._versions = {id_: known for id_, known in self._versions.items() if id_ in users}
        owed = {}
        for ids in self._slices(self._versions):
            if self._read(heads.sum_of_versions, ids) == sum(self._versions[id_][0] for id_ in ids):
                continue
            pushes = {id_: told.pushes_to(id_) for id_ in ids}
            for id_, version in self._read(heads.versions, ids).items():
                last_version, last_pushes = self._versions[id_]
                due = last_pushes + version - last_version
                self._versions[id_] = version, max(due, pushes[id_])
                if version > last_version:
                    grown.add(id_)
                    if told.pushes_to(id_) < due:
                        owed[id_] = due
        return owed

    def _misplaced(self, users: Collection[int]) -> set[int]:
        """The users of whom a connection is not in the rooms of their conversations, or in others."""
        manager = self._server.manager
        found: set[int] = set()
        for ids in self._slices(users):
            stored = self._read(heads.memberships, ids)
            found.update(
                id_
                for id_ in ids
                for sid, _ in manager.get_participants(bus.NAMESPACE, bus.user_room(id_))
                if self._present(manager.get_rooms(sid, bus.NAMESPACE)) != stored.get(id_, heads.NOWHERE)
            )
        return found

    @staticmethod
    def _present(rooms: list[str]) -> heads.Digest:
        ids = [id_ for room in rooms if (id_ := conversation_of(room)) is not None]
        return len(ids), sum(ids)

    def _users(self) -> set[int]:
        return {connection.user_id for connection in self._server.connections.all()}

    def _slices(self, ids: Iterable[int]) -> Iterator[list[int]]:
        """These conversations or users in parts, with a pause between."""
        wanted = list(ids)
        for start in range(0, len(wanted), _SLICE):
            if start:
                self._server.sleep(_PAUSE)
            yield wanted[start : start + _SLICE]

    def _read(self, read: Callable[[Collection[int]], T], ids: Collection[int]) -> T:
        with self._server.app.app_context():
            return read(ids)
