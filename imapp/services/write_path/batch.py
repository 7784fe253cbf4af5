"""A batch: the data that one transaction of the committer reads, changes in memory, and writes.

`load` locks the conversations in id order and reads everything that the ops need, with one query per kind of row.
Each op's `apply` checks and changes the state held here; an `apply` that raises must not have changed anything before.
`commit` stores the changes: one statement for each altered message and each deletion, otherwise one per table.
A batch of plain messages takes two scripts: one to read, one to write and commit.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import orjson
from sqlalchemy import delete, update
from sqlalchemy.engine import Connection

from imapp.clock import now
from imapp.cluster.bus.envelope import Stamp
from imapp.database.statement_batch import StatementBatch, script, sql_time
from imapp.events import MessageCreated
from imapp.extensions import Base
from imapp.models.changes import Change
from imapp.models.conversations import BOTH_WROTE
from imapp.models.messages import Mention, Message, MessageEdit, Pin, Reaction
from imapp.schemas.messages import MessageWire, personal
from imapp.services import own_versions
from imapp.services.write_path.batch_statements import statements
from imapp.services.write_path.rows import Head, MessageRow, ReadMark, Rights, Values, head_of, message_of, rights_of
from imapp.telemetry import tracing

#: A message of an earlier attempt: sender, client id, conversation, seq.
_Sent = tuple[int, str, int, int]

#: The answer to the client of an op, as a JSON object.
Answer = dict[str, object]


@dataclass(slots=True)  # not frozen: that would make construction three times as slow
class Publication:
    """An event to push after the commit."""

    name: str
    payload: Mapping[str, object]
    rooms: tuple[str, ...]
    #: The sid to skip, because its ack carries the same data.
    skip_sid: str | None = None
    #: Given for a new message.
    stamp: Stamp | None = None


class Op:
    """One write to one conversation by one user."""

    __slots__ = ("accepted_ms", "actor_id", "conversation_id", "traceparent")

    #: Whether `load` counts the edits of `target_seq`.
    counts_edits: ClassVar[bool] = False

    def __init__(self, actor_id: int, conversation_id: int) -> None:
        self.actor_id = actor_id
        self.conversation_id = conversation_id
        #: Time of acceptance: an op is created when its request has passed the checks before the queue.
        self.accepted_ms = time.time() * 1000
        self.traceparent = tracing.current()

    @property
    def client_id(self) -> str | None:
        """Return the sender's id for this write, or None."""
        return None

    @property
    def target_seq(self) -> int | None:
        """Return the seq of the message that this op alters, or None."""
        return None

    def apply(self, batch: "Batch") -> Answer:
        """Check the op and change the batch; return the result for the client or raise an AppError."""
        raise NotImplementedError


@dataclass(slots=True)
class Mark:
    """The changes that a batch makes to one member's row."""

    seq: int = 0
    takes_version: bool = False
    clears_unread: bool = False
    #: Payloads that announce the change to the user's devices; `commit` adds the `version` to them.
    told: list[ReadMark] = field(default_factory=list)


class Batch:
    """The state of one transaction."""

    def __init__(self, ops: Sequence[Op]) -> None:
        self.ops = ops
        self.moment = now()
        self.heads: dict[int, Head] = {}
        self.rights: dict[tuple[int, int], Rights] = {}
        self.sent: dict[tuple[int, str], MessageRow] = {}
        self.messages: dict[tuple[int, int], MessageRow] = {}
        self.reactions: dict[tuple[int, int], list[tuple[str, int]]] = defaultdict(list)
        #: Number of edits of each message.
        self.edits: dict[tuple[int, int], int] = defaultdict(int)
        #: Conversations in which a read mark visible to other members moved because its owner marked messages as read.
        self.read: set[int] = set()
        self.publications: list[Publication] = []
        #: Pairs of users in private conversations in which this batch holds the second user's first message.
        self.acquainted: list[tuple[int, int]] = []
        self._created: list[MessageRow] = []
        self._altered: dict[tuple[int, int], MessageRow] = {}
        self._changes: list[Values] = []
        #: The conversations of `_changes`.
        self._changed: set[int] = set()
        self._marks: dict[tuple[int, int], Mark] = {}
        #: Rows that belong to messages: rows to insert, and equality filters of rows to delete.
        self.added: dict[type[Base], list[Values]] = {Mention: [], MessageEdit: [], Pin: [], Reaction: []}
        self.removed: list[tuple[type[Base], Values]] = []

    # -- used by ops -------------------------------------------------------------------------------------------

    def record(self, head: Head, event: str, row: MessageRow) -> None:
        """Assign a change number to the alteration of a message and log it."""
        head.last_change += 1
        row["change"] = head.last_change
        self._changed.add(head.id)
        self._changes.append({
            "conversation_id": head.id, "change": head.last_change, "event": event, "seq": row["seq"],
            "data": None, "created_at": self.moment,
        })  # fmt: skip

    def create(self, head: Head, row: MessageRow) -> None:
        """Append a message; it counts as read by its sender."""
        head.last_seq += 1
        head.active_at = self.moment
        row["seq"] = head.last_seq
        self.record(head, MessageCreated.name, row)
        self._created.append(row)
        self.messages[head.id, head.last_seq] = row
        self.mark_read(head.id, row["sender_id"], head.last_seq)
        if head.type == "private":
            before, sender_id = head.voices, row["sender_id"]
            head.voices |= 1 if sender_id == head.user_low_id else 2
            peer_id = head.peer_of(sender_id)
            if head.voices == BOTH_WROTE != before and peer_id is not None:
                self.acquainted.append((sender_id, peer_id))

    def alter(self, head: Head, event: str, row: MessageRow) -> None:
        """Log the alteration of a loaded message and mark the message to be written."""
        self.record(head, event, row)
        self._altered[head.id, row["seq"]] = row

    def remove(self, model: type[Base], equal: Values) -> None:
        """Delete the rows of `model` that match `equal`, including rows added by this batch."""
        self.added[model] = [row for row in self.added[model] if not equal.items() <= row.items()]
        self.removed.append((model, equal))

    def personal(self, user_id: int, wire: MessageWire) -> MessageWire:
        """Return a copy of a loaded message for one user, with `mine` set on each reaction."""
        known = self.reactions.get((wire["conversation_id"], wire["seq"]), ())
        return personal(wire, user_id, {emoji for emoji, reactor_id in known if reactor_id == user_id})

    def read_seq(self, conversation_id: int, user_id: int) -> int:
        """Return the seq up to which a member has read, including marks of this batch."""
        mark = self._marks.get((conversation_id, user_id))
        stored = self.rights[conversation_id, user_id].read_seq
        return stored if mark is None else max(stored, mark.seq)

    def mark_read(self, conversation_id: int, user_id: int, seq: int) -> None:
        """Move a read mark forward; the highest mark of a batch wins."""
        mark = self._mark(conversation_id, user_id)
        mark.seq = max(mark.seq, seq)
        mark.clears_unread = True

    def touch(self, conversation_id: int, user_id: int, *told: ReadMark) -> None:
        """Give the user's row a new version, for `sync` to the user's devices; the `told` payloads get it as well."""
        mark = self._mark(conversation_id, user_id)
        mark.takes_version = True
        mark.told += told

    def _mark(self, conversation_id: int, user_id: int) -> "Mark":
        return self._marks.setdefault((conversation_id, user_id), Mark())

    # -- reading -----------------------------------------------------------------------------------------------

    def load(self, connection: Connection) -> None:
        """Lock the conversations, then read the rows that the ops need: after the lock they can no longer change."""
        sql = statements(connection.dialect.name)
        reading = script(connection)
        reading.add(sql.heads_locked(sorted({op.conversation_id for op in self.ops})))
        reading.add(sql.rights, keys=_json({(op.conversation_id, op.actor_id) for op in self.ops}))
        reading.add(sql.sent, keys=_json((op.actor_id, op.client_id) for op in self.ops if op.client_id is not None))
        heads, rights, sent = reading.run()
        for (row,) in heads:
            head = head_of(row)
            self.heads[head.id] = head
        for (row,) in rights:
            member = rights_of(row)
            self.rights[member.conversation_id, member.user_id] = member
        self._load_messages(connection, [orjson.loads(row) for (row,) in sent])

    def _load_messages(self, connection: Connection, sent: Sequence[_Sent]) -> None:
        """Load the messages to be altered, and the messages of earlier attempts (`sent`) with the same client ids."""
        targets = [op for op in self.ops if op.target_seq is not None]
        wanted = {(conversation_id, seq) for _, _, conversation_id, seq in sent}
        wanted |= {(op.conversation_id, op.target_seq or 0) for op in targets}
        if not wanted:
            return
        sql = statements(connection.dialect.name)
        reading = script(connection)
        reading.add(sql.messages, keys=_json(wanted))
        reading.add(sql.reactions, keys=_json(wanted))
        reading.add(sql.edits, keys=_json({(op.conversation_id, op.target_seq) for op in targets if op.counts_edits}))
        messages, reactions, edits = reading.run()
        for row in map(message_of, messages):
            self.messages[row["conversation_id"], row["seq"]] = row
        for conversation_id, seq, count in edits:
            self.edits[conversation_id, seq] = count
        for conversation_id, seq, emoji, user_id in reactions:
            self.reactions[conversation_id, seq].append((emoji, user_id))
        for sender_id, client_id, conversation_id, seq in sent:
            self.sent[sender_id, client_id] = self.messages[conversation_id, seq]

    # -- writing -----------------------------------------------------------------------------------------------

    def commit(self, connection: Connection) -> None:
        """Store the changes of the ops and commit."""
        for model, equal in self.removed:
            connection.execute(delete(model).filter_by(**equal))
        for (conversation_id, seq), row in self._altered.items():
            altered = Message.conversation_id == conversation_id, Message.seq == seq
            connection.execute(update(Message).where(*altered).values(row))
        takers = [(user_id, mark) for (_, user_id), mark in self._marks.items() if mark.takes_version]
        versions = own_versions.next_versions(connection, [user_id for user_id, _ in takers])
        for user_id, mark in takers:
            for payload in mark.told:
                payload["version"] = versions[user_id]
        writing = script(connection)
        writing.insert(Message, self._created)
        writing.insert(Change, self._changes)
        for model, rows in self.added.items():
            writing.insert(model, rows)
        sql = statements(connection.dialect.name)
        if self._changed:
            heads = [self.heads[conversation_id] for conversation_id in sorted(self._changed)]
            rows_of_heads = [[h.id, h.last_seq, h.last_change, sql_time(h.active_at), h.voices] for h in heads]
            writing.add(sql.heads, rows=_json(rows_of_heads))
        self._write_marks(writing, sql.marks, versions)
        if self.read:
            writing.add(sql.read(sorted(self.read)), moment=sql_time(self.moment))
        writing.commit()

    def _write_marks(self, writing: StatementBatch, statement: str, versions: dict[int, int]) -> None:
        if not self._marks:
            return
        rows = []
        for conversation_id, user_id in sorted(self._marks):
            mark = self._marks[conversation_id, user_id]
            version, clears = (versions[user_id], int(mark.clears_unread)) if mark.takes_version else (0, 0)
            rows.append([conversation_id, user_id, mark.seq, version, clears])
        writing.add(statement, rows=_json(rows))


def _json(rows: Iterable[object]) -> str:
    return orjson.dumps(list(rows)).decode()
