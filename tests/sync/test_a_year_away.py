"""A device returns after a year to 2,000 conversations: answers are bounded, and in the end it has everything."""

import time
import tracemalloc

import orjson
import pytest
from sqlalchemy import func, insert, select

from imapp.clock import now
from imapp.database.transactions import atomic
from imapp.extensions import db
from imapp.models.changes import Change
from imapp.models.conversations import Conversation, ConversationMember
from imapp.models.messages import Message
from imapp.models.own_state import UserState
from imapp.schemas.sync import SyncIn
from imapp.services.sync import sync
from imapp.services.sync.sync_state import PAGE_ROWS
from tests.support.people import create_users

CONVERSATIONS = 2_000
MESSAGES = 50

#: Maximum bytes of JSON in an answer. Entries are not cut, so an answer may exceed its target size a little.
ANSWER_MAX = 1_100_000


@pytest.fixture
def database():
    """Use SQLite alone: the program sets the bounds, not the database."""
    return "sqlite"


def fill(session, users, conversations, length, text):
    """Store groups with the first user as member and one setting each; the second user has written all messages."""
    me, other = users
    moment = now()
    for number in range(1, conversations + 1):
        session.execute(
            insert(Conversation).values(
                id=number, type="group", last_seq=length, last_change=length, active_at=moment, created_at=moment
            )
        )
    numbers = range(1, conversations + 1)
    session.execute(
        insert(ConversationMember),
        [{"conversation_id": n, "user_id": me, "role": "member", "joined_at": moment, "version": n} for n in numbers],
    )
    session.execute(UserState.__table__.update().where(UserState.user_id == me).values(version=conversations))
    body = {"sender_id": other, "type": "text", "content": orjson.dumps({"text": text}).decode(), "created_at": moment}
    event = {"event": "message_created", "created_at": moment}
    for number in numbers:
        positions = [{"conversation_id": number, "seq": n, "change": n} for n in range(1, length + 1)]
        session.execute(insert(Message), [{**body, **position} for position in positions])
        session.execute(insert(Change), [{**event, **position} for position in positions])


def catch_up(user_id, known, **fields):
    """Sync as a device does; return the changes of each conversation, the answers' sizes, the versions."""
    found = {id_: list(range(1, change + 1)) for id_, change in known.items()}
    known, sizes, versions, cursor = dict(known), [], [], None
    more = True
    while more:
        answer = sync.sync(user_id, SyncIn(conversations=known, cursor=cursor, **fields))
        sizes.append(len(orjson.dumps(answer)))
        for item in answer["conversations"]:
            found.setdefault(item["id"], []).extend(change["change"] for change in item["changes"])
            known[item["id"]] = item["next_change"]
        assert len(answer["state"]) <= PAGE_ROWS
        versions += [row["version"] for row in answer["state"]]
        cursor, more = answer["cursor"], answer["more"]
        assert len(sizes) <= 200
    return found, sizes, versions


def memory_of(action):
    """Return the peak memory, in bytes, that `action` allocates."""
    tracemalloc.start()
    action()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


@pytest.mark.timeout(300)
@pytest.mark.parametrize("away", ["a year", "always"])
def test_everything_arrives_in_bounded_answers(app, away):
    me, other = create_users("ada", "bob")
    atomic(fill, (me, other), CONVERSATIONS, MESSAGES, "hello")
    known = dict.fromkeys(range(1, CONVERSATIONS + 1), 5) if away == "a year" else {}
    assert db.session.scalar(select(func.count()).select_from(Message)) == CONVERSATIONS * MESSAGES

    peak = memory_of(lambda: sync.sync(me, SyncIn(conversations=known, limit=MESSAGES)))
    started = time.monotonic()
    found, sizes, versions = catch_up(me, known, limit=MESSAGES)
    taken = time.monotonic() - started

    assert max(sizes) <= ANSWER_MAX
    assert found == {n: list(range(1, MESSAGES + 1)) for n in range(1, CONVERSATIONS + 1)}
    assert versions == list(range(1, CONVERSATIONS + 1))
    assert peak < 40_000_000
    assert taken / len(sizes) < 2  # a quarter of a second on an idle core


def test_long_messages_are_counted_in_bytes(app):
    me, other = create_users("ada", "bob")
    atomic(fill, (me, other), 3, 200, "é" * 8000)

    found, sizes, _ = catch_up(me, {}, limit=200)

    assert max(sizes) <= ANSWER_MAX
    assert found == {n: list(range(1, 201)) for n in (1, 2, 3)}
    assert len(sizes) >= 3 * 200 * 16_000 // ANSWER_MAX
