"""`sync`: the one way for a device to catch up, the same over Socket.IO and REST.

The answer holds the changes that the device missed in each conversation and in the user's own state. Its size is
bounded, and it says where it stopped. Heads are read before changes, and a head is committed with its changes. So a
change that is committed late is never skipped: its number is above the head in the answer.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import Row, select

from imapp.clock import from_unix_ms, now, unix_ms
from imapp.cluster import limits
from imapp.errors import UnavailableError
from imapp.extensions import db, settings
from imapp.models.conversations import Conversation, ConversationMember
from imapp.models.own_state import ServerState
from imapp.schemas.base import MAX_ID, rfc3339
from imapp.schemas.sync import SyncIn
from imapp.services.messaging.membership import is_seen
from imapp.services.sync import sync_changes, sync_marks, sync_state
from imapp.services.sync.sync_changes import Feed
from imapp.telemetry import metrics

#: Approximate maximum size of one answer, in bytes of JSON.
ANSWER_BYTES = 1_000_000

#: Prefix of the epoch while a backup is being restored into the database.
RESTORING = "restoring-"

#: Maximum number of conversations that one answer reports as removed (175 bytes each); the next answer has the rest.
REMOVED_MAX = 500

#: The format of a cursor. Cursors of earlier versions have no time.
_CURSOR = re.compile(r"(?P<epoch>.+?)\.(?P<version>[0-9]{1,19})(?:\.(?P<asked_ms>[0-9]{1,14}))?")

#: Bytes of a conversation without its changes, and the minimum number of bytes left for changes.
_FEED_BYTES = 250
_LEAST_BYTES = 100_000


@dataclass(frozen=True, slots=True)
class Known:
    """The data that the device already has."""

    conversations: dict[int, int]
    #: The answer covers conversations with ids from the first of these to the second, both included.
    ids: tuple[int, int]
    #: Maximum number of changes of one conversation in this answer.
    limit: int
    version: int = 0
    #: When the device last called `sync` and got everything; None if it has not yet.
    asked_at: datetime | None = None
    #: The device's data belongs to another history (epoch) of the database.
    is_foreign: bool = False


def sync(actor_id: int, request: SyncIn) -> dict[str, object]:
    """Return the changes that a device missed (shape: SyncOut); raises RateLimitedError, UnavailableError."""
    limits.hit("sync_per_user", actor_id)
    began_at = now()
    epoch = _epoch()
    known = _known(epoch, request)
    rows, until, state_limited = sync_state.page(actor_id, known.version)
    touched = {row.item["conversation_id"] for row in rows if row.kind == "conversation"}
    feeds, removed = _feeds(actor_id, known, touched)
    given = _bounded(feeds, settings.sync_total_max)
    size = ANSWER_BYTES - sync_state.PAGE_BYTES * bool(rows) - _FEED_BYTES * len(given)
    sync_changes.fill(actor_id, given, settings.sync_total_max, max(size, _LEAST_BYTES))
    given = [feed for feed in given if feed.is_given]
    if not state_limited:  # else these rows are on a later page
        rows += sync_state.since(actor_id, {feed.id for feed in given if not feed.is_named}, until)
    more = (
        state_limited or len(given) < len(feeds) or len(removed) > REMOVED_MAX or any(feed.is_behind for feed in given)
    )
    # All answers of one catch-up cover the same read marks: the moment moves on with the last answer only.
    asked_at = known.asked_at if more or request.last_id is not None else began_at
    metrics.SYNCS.inc()
    metrics.SYNC_CHANGES.observe(sum(len(feed.changes) for feed in given))
    return {
        "conversations": [*_represent(actor_id, given), *(_removed(id_) for id_ in removed[:REMOVED_MAX])],
        "state": [row._asdict() for row in rows],
        "state_limited": state_limited,
        "more": more,
        "cursor": _cursor(epoch, until, asked_at),
        "epoch": epoch,
        "server_time": rfc3339(now()),
    }


def _epoch() -> str:
    epoch = db.session.scalar(select(ServerState.epoch))
    if epoch is None:
        raise UnavailableError("The database has not been set up.")
    if epoch.startswith(RESTORING):
        raise UnavailableError("The database is being restored.")
    return epoch


def _known(epoch: str, request: SyncIn) -> Known:
    """Read the cursor; a cursor that was not issued for this database counts as none."""
    limit = min(request.limit or settings.sync_changes_default, settings.sync_changes_max)
    first, last = ids = request.first_id or 1, request.last_id or MAX_ID
    named = {id_: change for id_, change in request.conversations.items() if first <= id_ <= last}
    if request.cursor is None:
        return Known(named, ids, limit)
    found = _CURSOR.fullmatch(request.cursor)
    if found is None or found["epoch"] != epoch:
        return Known(named, ids, limit, is_foreign=True)
    asked_at = None if found["asked_ms"] is None else from_unix_ms(int(found["asked_ms"]))
    return Known(named, ids, limit, int(found["version"]), asked_at)


def _cursor(epoch: str, version: int, asked_at: datetime | None) -> str:
    """Return the cursor: the version of the own state, and the moment, up to which the device has been informed."""
    if asked_at is None:
        return f"{epoch}.{version}"
    return f"{epoch}.{version}.{unix_ms(asked_at)}"


# -- which conversations -------------------------------------------------------------------------------------------


def _feeds(user_id: int, known: Known, touched: set[int]) -> tuple[list[Feed], list[int]]:
    """Return the changed conversations, most recently active first, and the named ids that the user is not in."""
    heads = (
        select(
            Conversation.id, Conversation.type, Conversation.last_seq, Conversation.last_change,
            Conversation.first_seq, Conversation.first_change, Conversation.read_at, ConversationMember.read_seq,
        )
        .join(ConversationMember, ConversationMember.conversation_id == Conversation.id)
        .where(ConversationMember.user_id == user_id, ConversationMember.left_at.is_(None))
        .where(Conversation.id.between(*known.ids), is_seen())
        .order_by(Conversation.active_at.desc(), Conversation.id.desc())
    )  # fmt: skip
    unseen = dict(known.conversations)
    feeds = []
    for head in db.session.execute(heads):
        named = unseen.pop(head.id, None)
        is_read = sync_marks.has_moved(head.read_at, known.asked_at)
        if named != head.last_change or head.id in touched or is_read or known.is_foreign:
            feeds.append(_feed(head, named, known))
    return feeds, sorted(unseen)


def _bounded(feeds: list[Feed], most: int) -> list[Feed]:
    """Return the feeds that the device has named, which only this answer may report, and up to `most` other ones."""
    unknown = (feed.id for feed in feeds if not feed.is_named and not feed.is_reset)
    room = set(islice(unknown, most))
    return [feed for feed in feeds if feed.is_named or feed.is_reset or feed.id in room]


def _feed(head: Row[Any], named: int | None, known: Known) -> Feed:
    oldest = head.first_change - 1
    is_named = named is not None and oldest <= named <= head.last_change and not known.is_foreign
    start = named if is_named and named is not None else max(oldest, head.last_change - known.limit)
    return Feed(
        **head._mapping,
        start=start,
        next_change=start,
        until=min(head.last_change, start + known.limit),
        is_named=is_named,
        is_reset=named is not None and not is_named,
    )


# -- the answer ----------------------------------------------------------------------------------------------------


def _represent(user_id: int, feeds: list[Feed]) -> Iterator[dict[str, object]]:
    peers, members = sync_marks.of_peers(user_id, feeds), sync_marks.of_members(feeds)
    for feed in feeds:
        yield {
            "id": feed.id,
            "type": feed.type,
            "first_seq": feed.first_seq,
            "last_seq": feed.last_seq,
            "last_change": feed.last_change,
            "read_seq": feed.read_seq,
            "peer_read_seq": peers.get(feed.id),
            "read_marks": members.get(feed.id),
            "changes": feed.changes,
            "limited": feed.is_limited,
            "next_change": feed.next_change,
            "removed": False,
            "reset": feed.is_reset,
        }


def _removed(conversation_id: int) -> dict[str, object]:
    """Return the entry of a removed conversation: it reveals nothing about the conversation."""
    numbers = dict.fromkeys(("last_seq", "last_change", "read_seq", "next_change"), 0)
    return {
        "id": conversation_id,
        "type": None,
        "first_seq": 1,
        **numbers,
        "peer_read_seq": None,
        "read_marks": None,
        "changes": [],
        "limited": False,
        "removed": True,
        "reset": False,
    }
