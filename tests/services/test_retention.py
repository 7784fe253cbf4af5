"""Retention: old data is deleted, recent data stays, and no client sees a gap."""

import threading
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import func, select

from imapp.clock import now
from imapp.database.transactions import atomic
from imapp.errors import NotFoundError
from imapp.extensions import db
from imapp.models.changes import Change
from imapp.models.conversations import Conversation
from imapp.models.messages import HiddenMessage, Message, MessageEdit, Pin, Reaction
from imapp.models.sessions import DeviceSession
from imapp.schemas.conversations import ConversationsQuery
from imapp.schemas.messages import EditMessage, HideMessages, HistoryQuery, MessageDraft, message_id
from imapp.schemas.sync import SyncIn, SyncOut
from imapp.services.messaging import conversations, hidden_messages, messages, reactions, read_marks
from imapp.services.messaging.private_conversations import open_private
from imapp.services.retention import retention
from imapp.services.retention.retention import Policy
from imapp.services.retention.retention_sweep import Pace
from imapp.services.sync import sync
from tests.support.crowd_of_rows import fill
from tests.support.people import create_users

OLD = timedelta(days=100)
PACE = Pace(batch=50, pause_seconds=0, grace_seconds=0)


@pytest.fixture
def people(app):
    """Return the ids of Ada and Bob."""
    return create_users("ada", "bob")


@pytest.fixture
def private(people):
    """Return their conversation: 120 messages of long ago, then 30 of today."""
    conversation_id, _ = open_private(*people)
    atomic(fill, conversation_id, people[0], 120, now() - OLD)
    atomic(fill, conversation_id, people[0], 30, now())
    return conversation_id


def say(user_id, conversation_id, **more):
    draft = MessageDraft(client_id=uuid4().hex, type="text", content={"text": "hello"}, **more)
    return messages.send(user_id, conversation_id, draft)["message"]


def policy(days=10, changes=None, sessions=None):
    return Policy(*(None if one is None else now() - timedelta(days=one) for one in (days, changes or days, sessions)))


def run(*args, **kwargs):
    return retention.run(policy(*args, **kwargs), PACE, lambda _what, _count: None)


def ask(user_id, known=None, cursor=None):
    answer = sync.sync(user_id, SyncIn(conversations=known or {}, cursor=cursor, limit=500))
    SyncOut.model_validate(answer)
    return answer, {item["id"]: item for item in answer["conversations"]}


def total(model):
    return db.session.scalar(select(func.count()).select_from(model))


def history(user_id, conversation_id, **query):
    return messages.history(user_id, conversation_id, HistoryQuery(**{"limit": 200, **query}))


def test_a_preview_counts_what_a_run_deletes_and_deletes_nothing(people, private):
    counts = retention.preview(policy(), lambda _what, _count: None)

    assert (counts.rows["messages"], counts.rows["changes"], counts.conversations) == (120, 120, 1)
    assert (total(Message), total(Change)) == (150, 150)
    assert db.session.get(Conversation, private).first_seq == 1


def test_history_begins_later_and_has_no_gap(people, private):
    ada, _ = people

    counts = run()

    assert (counts.rows["messages"], counts.rows["changes"], counts.conversations) == (120, 120, 1)
    page = history(ada, private, before=131)
    assert [message.seq for message in page.items] == list(range(130, 120, -1))
    assert not page.has_more
    assert [message.seq for message in history(ada, private, after=0).items] == list(range(121, 151))
    assert conversations.get(ada, private).first_seq == 121
    assert say(ada, private)["seq"] == 151


def test_data_attached_to_old_messages_is_deleted_with_them(people, private):
    ada, bob = people
    old, new = message_id(private, 5), message_id(private, 140)
    for one in (old, new):
        reactions.react(bob, one, "👍", remove=False)
        messages.set_pin(ada, one, pin=True)
        hidden_messages.hide(bob, HideMessages(message_ids=[one]))
    messages.edit(ada, EditMessage(message_id=new, content={"text": "edited"}))

    run()

    assert [total(model) for model in (Reaction, Pin, HiddenMessage, MessageEdit)] == [1, 1, 1, 1]
    with pytest.raises(NotFoundError):
        messages.get(ada, old)
    assert messages.get(ada, new)["content"] == {"text": "edited"}


def test_a_reply_to_a_deleted_message_stays(people, private):
    ada, bob = people
    sent = say(bob, private, reply_to=message_id(private, 3))

    run()

    assert messages.get(ada, sent["id"])["reply_to"] == message_id(private, 3)


def test_deleted_unread_messages_count_as_read(people, private):
    ada, bob = people
    _, before = ask(bob)
    cursor = ask(bob)[0]["cursor"]
    read_marks.mark_read(ada, private, 125)
    assert conversations.get(bob, private).unread == 150

    run()

    assert conversations.get(bob, private).unread == 30
    assert conversations.get(ada, private).unread == 25
    answer, by_id = ask(bob, {private: before[private]["last_change"]}, cursor)
    assert by_id[private]["read_seq"] == 120
    assert [row["item"]["read_seq"] for row in answer["state"] if row["kind"] == "conversation"] == [120]


def test_a_device_within_the_log_continues_and_one_before_it_is_reset(people, private):
    _, bob = people
    run()

    _, near = ask(bob, {private: 145})
    _, edge = ask(bob, {private: 120})
    _, far = ask(bob, {private: 100})
    _, fresh = ask(bob)

    assert [one["change"] for one in near[private]["changes"]] == list(range(146, 151))
    assert not near[private]["reset"]
    assert [one["change"] for one in edge[private]["changes"]] == list(range(121, 151))
    assert not edge[private]["reset"]
    assert far[private]["reset"]
    for item in (far[private], fresh[private]):
        assert [one["message"]["seq"] for one in item["changes"]] == list(range(121, 151))
        assert (item["first_seq"], item["next_change"]) == (121, 150)


def test_the_log_may_be_shorter_than_the_history(people, private):
    ada, bob = people

    counts = run(None, 10)

    assert counts.rows == {"changes": 120}
    _, by_id = ask(bob, {private: 50})
    assert by_id[private]["reset"]
    assert by_id[private]["limited"], "the older messages are in the history"
    assert by_id[private]["first_seq"] == 1
    assert len(history(ada, private, after=0).items) == 150
    assert conversations.get(bob, private).unread == 150


def test_a_conversation_of_only_old_messages_becomes_empty_and_continues(people):
    ada, bob = people
    conversation_id, _ = open_private(ada, bob)
    atomic(fill, conversation_id, ada, 70, now() - OLD)

    run()

    (entry,) = conversations.list_conversations(bob, ConversationsQuery()).items
    assert (entry.last_message, entry.unread, entry.last_seq, entry.first_seq) == (None, 0, 70, 71)
    assert history(bob, conversation_id).items == []
    assert ask(bob, {conversation_id: 7})[1][conversation_id]["reset"]
    sent = say(ada, conversation_id)
    assert (sent["seq"], conversations.get(bob, conversation_id).unread) == (71, 1)
    assert [one["change"] for one in ask(bob, {conversation_id: 70})[1][conversation_id]["changes"]] == [71]


def test_nothing_is_deleted_without_a_policy(app, people, private):
    assert Policy.of_settings().messages is None
    assert Policy.of_settings().changes is None

    retention.run(Policy(None, None, None), PACE, lambda _what, _count: None)

    assert (total(Message), total(Change)) == (150, 150)


def test_the_log_is_kept_no_longer_than_the_messages(make_app):
    app = make_app(retention_messages_days=10, retention_changes_days=20)
    with app.app_context():
        chosen = Policy.of_settings()

    assert chosen.changes == chosen.messages is not None


def test_sessions_that_ended_long_ago_are_deleted(app, people, private):
    moment = now()
    times = [
        {"expires_at": moment + OLD, "revoked_at": None},
        {"expires_at": moment + OLD, "revoked_at": moment - timedelta(days=1)},
        {"expires_at": moment + OLD, "revoked_at": moment - OLD},
        {"expires_at": moment - OLD, "revoked_at": None},
    ]

    def insert_sessions(session):
        for one in times:
            session.add(
                DeviceSession(user_id=people[0], refresh_hash="", created_at=moment, last_used_at=moment, **one)
            )

    atomic(insert_sessions)

    counts = run(None, None, 30)

    assert counts.rows == {"device_sessions": 2}
    assert total(DeviceSession) == 2


def test_a_run_beside_a_writer_loses_nothing_recent(app, people, private):
    ada, bob = people
    stop, sent, read = threading.Event(), [], []

    def write():
        with app.app_context():
            while not stop.is_set():
                sent.append(say(ada, private)["seq"])

    def follow():
        with app.app_context():
            known = 150
            while threads[0].is_alive() or len(read) < len(sent):
                known = read_on(bob, private, known, read)

    threads = [threading.Thread(target=write), threading.Thread(target=follow)]
    for thread in threads:
        thread.start()
    run()
    stop.set()
    for thread in threads:
        thread.join(60)

    assert read == sent == list(range(151, 151 + len(sent)))
    kept = db.session.scalars(select(Message.seq).where(Message.conversation_id == private).order_by(Message.seq)).all()
    assert kept == list(range(121, 151 + len(sent)))


def read_on(user_id, conversation_id, known, read):
    """Sync once and append the new messages to `read`; append "reset" if the conversation was reset."""
    item = ask(user_id, {conversation_id: known})[1].get(conversation_id)
    if item is None:
        return known
    read += ["reset"] * item["reset"] + [one["message"]["seq"] for one in item["changes"]]
    return item["next_change"]
