"""The changes of conversations for `sync`, as many as fit into an answer.

Change numbers have no holes, so the missing numbers are known without a query. The changes are read by their keys, one
slice at a time, until the answer is full.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

import orjson

from imapp.extensions import db
from imapp.schemas.messages import message_wire
from imapp.services.messaging import reactions
from imapp.services.write_path.batch_statements import MESSAGE_TIMES, over_pairs

#: (conversation, change) or (conversation, seq)
Key = tuple[int, int]

#: Number of changes read by one query; bounds its memory, at 32 kB for the longest text.
SLICE = 200

_CHANGES = """
SELECT n.conversation_id, n.change, n.event, n.seq, n.data FROM {pairs}
{join} changes n ON n.conversation_id = k.c AND n.change = k.u
"""

_MESSAGES = """
SELECT m.* FROM {pairs} {join} messages m ON m.conversation_id = k.c AND m.seq = k.u
WHERE NOT EXISTS (SELECT 1 FROM hidden_messages h
                  WHERE h.user_id = :user_id AND h.conversation_id = m.conversation_id AND h.seq = m.seq)
"""


@dataclass(slots=True)
class Feed:
    """One conversation of an answer: its changes after `start` and up to `until`; `next_change` is the last one."""

    id: int
    type: str
    last_seq: int
    last_change: int
    first_seq: int
    first_change: int
    read_at: datetime | None
    read_seq: int
    start: int
    next_change: int
    until: int
    is_named: bool
    is_reset: bool
    changes: list[dict[str, object]] = field(default_factory=list)

    @property
    def is_behind(self) -> bool:
        """Whether there are later changes than those in the answer."""
        return self.next_change < self.last_change

    @property
    def is_given(self) -> bool:
        """Whether the conversation is part of the answer: named by the device, or the answer has room for it."""
        return self.is_named or self.next_change > self.start or not self.is_behind

    @property
    def is_limited(self) -> bool:
        """Whether changes are left out: later ones, or ones older than the latest page."""
        return self.is_behind or (not self.is_named and self.start > 0)

    def take(self, number: int, change: dict[str, object] | None) -> None:
        """Advance by one change; None stands for a change that the user does not see."""
        self.next_change = number
        if change is not None:
            self.changes.append(change)


def fill(user_id: int, feeds: Sequence[Feed], count: int, size: int) -> None:
    """Add changes to the feeds in order: at most `count` in all, and about `size` bytes of JSON, but at least one."""
    is_first = True
    missing = ((feed, number) for feed in feeds for number in range(feed.next_change + 1, feed.until + 1))
    numbers = islice(missing, count)
    while wanted := list(islice(numbers, SLICE)):
        found = _read(user_id, [(feed.id, number) for feed, number in wanted])
        for feed, number in wanted:
            change = found.get((feed.id, number))
            size -= len(orjson.dumps(change)) if change else 0
            if size < 0 and not is_first:
                return
            feed.take(number, change)
            is_first = False


def _read(user_id: int, keys: list[Key]) -> dict[Key, dict[str, object]]:
    dialect = db.engine.dialect.name
    rows = db.session.execute(over_pairs(_CHANGES, dialect), {"keys": _json(keys)}).all()
    messages = _messages(user_id, {(row.conversation_id, row.seq) for row in rows if row.seq is not None})
    found: dict[Key, dict[str, object]] = {}
    for row in rows:
        payload = orjson.loads(row.data) if row.seq is None else messages.get((row.conversation_id, row.seq))
        if payload is not None:
            found[row.conversation_id, row.change] = {**payload, "change": row.change, "event": row.event}
    return found


def _messages(user_id: int, keys: set[Key]) -> dict[Key, dict[str, object]]:
    """Return the current messages, without those that the user deleted for themselves."""
    if not keys:
        return {}
    statement = over_pairs(_MESSAGES, db.engine.dialect.name, **MESSAGE_TIMES)
    rows = db.session.execute(statement, {"keys": _json(sorted(keys)), "user_id": user_id}).mappings()
    messages = reactions.for_user(user_id, [message_wire(row) for row in rows])
    return {(message["conversation_id"], message["seq"]): {"message": message} for message in messages}


def _json(keys: Sequence[Key]) -> str:
    return orjson.dumps(keys).decode()
