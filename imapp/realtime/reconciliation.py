"""Detects lost pushes, whatever the reason, by comparing what this node has pushed with what is stored.

A push can be lost without being noticed: a node dies between commit and push, the answer to a COMMIT is lost, or a
command for a room is overtaken. The clients then believe that they are up to date until something else happens in that
conversation. So every IM_RECONCILE_SECONDS each node compares

- for each conversation with a member here: the stored number of the last change with the greatest one pushed here;
- for each user here: the growth of the version of the user's own state with the number of pushes to the user;
- for each user with a grown version, each user with connections moved by a command, and a part of the other users in
  turn: the stored memberships with the rooms of the user's connections;
- for the connections of a part of the users in turn: whether their sessions have ended.

Differences are compared again after GRACE_SECONDS, because a push may be on its way. If a difference remains, the push
was lost: the connections concerned are put into the right rooms and told to sync (resync.py). A false alarm costs
one sync.

Sums of a thousand numbers are compared first: without changes a comparison costs one query for a thousand
conversations. Equal sums hide no difference, because no number here exceeds the stored one, which is read later.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import timedelta
from typing import TypeVar

from imapp.clock import now
from imapp.cluster.bus import bus
from imapp.cluster.bus.push_marks import PushMarks, conversation_of
from imapp.logs import get_logger
from imapp.node import node_of
from imapp.realtime.server import RealtimeServer
from imapp.services.accounts import authentication
from imapp.services.sync import heads
from imapp.telemetry import metrics

log = get_logger(__name__)

T = TypeVar("T")

#: Seconds until a difference is compared again. Together with the seconds between two comparisons, it bounds how long a
#: client can miss an event without being told to sync.
GRACE_SECONDS = 3.0

#: Seconds between two calls of `record_baselines`, which reads the numbers of conversations that commands have brought
#: to this node.
_TICK_SECONDS = 1.0

#: Number of comparisons within which each user's rooms and sessions are compared once, even without any event.
_ROUND = 15

#: Maximum time between the last read mark of a node and the discovery of its death: its lease, and differing clocks.
_DYING = timedelta(seconds=30)

#: Conversations or users in one query, and the pause in seconds after it, in which the node serves its clients.
_SLICE = 1000
_PAUSE = 0.01


class Reconciler:
    """See the module. The manager of the server's rooms fills `told`."""

    def __init__(self, server: RealtimeServer, told: PushMarks) -> None:
        self._server = server
        self._told = told
        #: By user id: the version of the user's own state at the last comparison, and the number of pushes due by then.
        self._versions: dict[int, tuple[int, int]] = {}
        self._comparisons = 0
        #: Whether a node has died since the last comparison.
        self._is_node_lost = False
        self._seconds = node_of(server.app).settings.reconcile_seconds
        self._due = time.monotonic() + self._seconds

    def run(self) -> None:
        """Compare periodically, until this node drains."""
        while not self._server.is_draining:
            self._server.sleep(_TICK_SECONDS)
            try:
                with self._server.app.app_context():
                    self.record_baselines()
                if time.monotonic() >= self._due:
                    self._due = time.monotonic() + self._seconds
                    self.compare()
            except Exception as exc:  # noqa: BLE001 - the database may be away; comparing must go on
                log.warning("reconciliation_failed", error=type(exc).__name__)

    def request(self, *, is_node_lost: bool = False) -> None:
        """Compare at the next tick; `is_node_lost`: include everything that a dead node may not have pushed."""
        self._is_node_lost |= is_node_lost
        self._due = time.monotonic()

    def record_baselines(self) -> None:
        """Read the stored numbers of conversations and users that have got their first connection here.

        Call it in an app context, before the client is accepted or told to sync: only later pushes count as missed.
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

    def compare(self) -> None:
        """Compare once and tell clients that missed a push to sync. After a failure, the next call finds them again."""
        told = self._told
        versions, moved, is_node_lost = self._versions, told.moved, self._is_node_lost
        self._versions, told.moved, self._is_node_lost = dict(versions), set(), False
        try:
            self._compare(set(moved), is_node_lost=is_node_lost)
        except Exception:
            self._versions.update(versions)
            told.moved |= moved
            self._is_node_lost |= is_node_lost
            raise

    def _compare(self, suspects: set[int], *, is_node_lost: bool) -> None:
        told = self._told
        users = {connection.user_id for connection in self._server.connections.all()}
        self._comparisons += 1
        due_users = users if is_node_lost else {id_ for id_ in users if id_ % _ROUND == self._comparisons % _ROUND}
        self._close_ended(due_users)
        behind, missing = self._behind(), self._missing_pushes(users, suspects)
        misplaced = self._misplaced((suspects & users) | due_users)
        recently_read = self._recently_read() if is_node_lost else []
        if not (behind or missing or misplaced or recently_read):
            return
        self._server.sleep(GRACE_SECONDS)
        lost = {
            "changes": [bus.conversation_room(id_) for id_, change in behind.items() if told.change_of(id_) < change],
            "own_states": [bus.user_room(id_) for id_, pushes in missing.items() if told.pushes_to(id_) < pushes],
            "memberships": list(map(bus.user_room, self._misplaced(misplaced))),
            "read_marks": recently_read,
        }
        for id_, change in behind.items():
            told.note([bus.conversation_room(id_)], change)
        rooms = {room for found in lost.values() for room in found}
        if rooms:
            sids = {sid for room in rooms for sid, _ in self._server.manager.get_participants(bus.NAMESPACE, room)}
            metrics.UNTOLD.inc(len(sids))
            log.warning("clients_untold", connections=len(sids), **{kind: len(found) for kind, found in lost.items()})
            self._server.upkeep.catch_up(list(sids), "untold")

    def _close_ended(self, users: set[int]) -> None:
        """Close these users' connections with an ended session, e.g. if a node died before it announced the end."""
        connections = [one for one in self._server.connections.all() if one.user_id in users]
        ended: set[int] = set()
        for ids in self._slices({connection.session_id for connection in connections}):
            ended |= self._read(authentication.ended_sessions, ids)
        self._server.upkeep.catch_up([one.sid for one in connections if one.session_id in ended], "untold")

    def _recently_read(self) -> list[str]:
        """Return the rooms with a recent read mark that other members see: receipts have no number to compare."""
        since = now() - _DYING
        found: list[int] = []
        for ids in self._slices(self._told.known()):
            found += self._read(lambda ids: heads.read_since(ids, since), ids)
        return list(map(bus.conversation_room, found))

    # -- comparing ---------------------------------------------------------------------------------------------------

    def _behind(self) -> dict[int, int]:
        """Return the conversations with a stored change that was not pushed here: id -> last stored change."""
        told = self._told
        behind: dict[int, int] = {}
        for ids in self._slices(told.known()):
            pushed = sum(map(told.change_of, ids))
            if self._read(heads.sum_of_changes, ids) != pushed:
                stored = self._read(heads.last_changes, ids)
                behind.update((id_, change) for id_, change in stored.items() if told.change_of(id_) < change)
        return behind

    def _missing_pushes(self, users: set[int], grown: set[int]) -> dict[int, int]:
        """Return the users that got fewer pushes than their own state has new versions: id -> pushes due in all.

        Add all users with a grown version to `grown`.
        """
        told = self._told
        self._versions = {id_: known for id_, known in self._versions.items() if id_ in users}
        missing = {}
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
                        missing[id_] = due
        return missing

    def _misplaced(self, users: Collection[int]) -> set[int]:
        """Return the users with a connection that is not exactly in the rooms of the user's conversations."""
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

    def _slices(self, ids: Iterable[int]) -> Iterator[list[int]]:
        """Yield these ids of conversations or users in slices, with a pause between two slices."""
        wanted = list(ids)
        for start in range(0, len(wanted), _SLICE):
            if start:
                self._server.sleep(_PAUSE)
            yield wanted[start : start + _SLICE]

    def _read(self, read: Callable[[Collection[int]], T], ids: Collection[int]) -> T:
        with self._server.app.app_context():
            return read(ids)
