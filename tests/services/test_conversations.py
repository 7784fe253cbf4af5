"""The conversation list and a user's settings of a conversation, on both databases."""

import threading
from uuid import uuid4

import pytest
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError

from imapp.cluster.bus import bus
from imapp.errors import BlockedError, ForbiddenError, NotAMemberError, NotFoundError, UnavailableError
from imapp.extensions import db
from imapp.node import node_of
from imapp.schemas.conversations import ConversationPatch, ConversationsQuery
from imapp.schemas.groups import GroupIn
from imapp.schemas.messages import HideMessages, HistoryQuery, MessageDraft, SendMessage
from imapp.schemas.sync import SyncIn
from imapp.services.contacts import blocks
from imapp.services.groups import group_members, groups
from imapp.services.messaging import (
    conversation_settings,
    conversations,
    hidden_messages,
    messages,
    private_conversations,
    read_marks,
    receipts,
    typing,
)
from imapp.services.messaging.private_conversations import open_private
from imapp.services.messaging.receipts import Recent
from imapp.services.sync import sync
from imapp.services.write_path.private_ids import private_ids
from tests.support.people import create_users
from tests.support.ports import wait_for


@pytest.fixture
def people(app):
    """Return the ids of Ada, Bob and Eve."""
    return create_users("ada", "bob", "eve")


@pytest.fixture
def private(people):
    """Return the conversation of Ada and Bob."""
    return conversations.open_with(people[0], people[1])[0].id


@pytest.fixture
def pushed(monkeypatch):
    """Record the rooms that events are pushed to."""
    rooms = []
    monkeypatch.setattr(bus, "send", lambda _name, _payload, *told, **_options: rooms.extend(told))
    return rooms


def say(user_id, conversation_id, text="hello", **fields):
    draft = {"client_id": uuid4().hex, "type": "text", "content": {"text": text}, **fields}
    return messages.send(user_id, conversation_id, MessageDraft.model_validate(draft))["message"]


def ids(user_id, **query):
    page = conversations.list_conversations(user_id, ConversationsQuery(**query))
    return [item.id for item in page.items]


def change(user_id, conversation_id, **patch):
    return conversation_settings.change(user_id, conversation_id, ConversationPatch(**patch))


def make_groups(owner, count, *members):
    return [groups.create(owner, GroupIn(name=f"g{n}", member_ids=list(members))).id for n in range(count)]


# -- opening ---------------------------------------------------------------------------------------------------


def test_two_users_have_one_private_conversation(people):
    ada, bob, _ = people

    first, is_new = conversations.open_with(ada, bob)
    again, is_new_again = conversations.open_with(bob, ada)

    assert (is_new, is_new_again) == (True, False)
    assert first.id == again.id
    assert (first.peer_id, again.peer_id) == (bob, ada)
    assert first.peer.username == "bob"


@pytest.mark.parametrize(("other", "error"), [("self", ForbiddenError), ("nobody", NotFoundError)])
def test_a_private_conversation_needs_another_user(people, other, error):
    with pytest.raises(error):
        conversations.open_with(people[0], people[0] if other == "self" else 999_999)


def test_a_blocked_user_cannot_open_a_conversation(people):
    ada, bob, _ = people
    blocks.block(bob, ada)

    with pytest.raises(BlockedError):
        conversations.open_with(ada, bob)


def test_a_conversation_without_messages_is_visible_to_its_opener_only(people, pushed):
    ada, bob, _ = people

    private = conversations.open_with(ada, bob)[0].id

    assert (ids(ada), ids(bob)) == ([private], [])
    answer = sync.sync(bob, SyncIn())
    assert (answer["conversations"], answer["state"]) == ([], [])
    assert pushed == [f"user:{ada}"]


@pytest.mark.parametrize("shows", ["message", "opening"])
def test_the_first_message_or_an_opening_shows_the_conversation_to_the_other_user(people, shows):
    ada, bob, _ = people
    private = conversations.open_with(ada, bob)[0].id
    cursor = sync.sync(bob, SyncIn())["cursor"]

    if shows == "message":
        say(ada, private)
    else:
        conversations.open_with(bob, ada)

    news = sync.sync(bob, SyncIn(cursor=cursor))
    assert ids(bob) == [private]
    assert [item["id"] for item in news["conversations"]] == [private]
    assert [row["kind"] for row in news["state"]] == ["conversation"]


def test_actions_in_an_empty_conversation_are_not_pushed_to_the_other_user(people, pushed):
    ada, bob, _ = people
    private = conversations.open_with(ada, bob)[0].id
    pushed.clear()

    typing.tell(ada, private, "sid", is_typing=True)
    change(ada, private, is_marked_unread=True)
    read_marks.mark_read(ada, private, 0)

    assert set(pushed) == {f"user:{ada}"}
    assert sync.sync(bob, SyncIn())["state"] == []


# -- the list --------------------------------------------------------------------------------------------------


def test_pinned_conversations_come_first_then_the_most_recently_active(people):
    ada, *_ = people
    first, second, third, fourth = make_groups(ada, 4)
    change(ada, second, is_pinned=True)
    change(ada, fourth, is_pinned=True)
    say(ada, first)
    say(ada, second)

    assert ids(ada) == [second, fourth, first, third]


def test_paging_neither_repeats_nor_skips_a_conversation_while_the_order_changes(people):
    ada, *_ = people
    made = make_groups(ada, 7)
    change(ada, made[2], is_pinned=True)
    expected = [made[2], *reversed(made[:2] + made[3:])]

    page = conversations.list_conversations(ada, ConversationsQuery(limit=3))
    say(ada, made[0])
    found, cursors = [item.id for item in page.items], [page.next_cursor]
    while cursors[-1]:
        page = conversations.list_conversations(ada, ConversationsQuery(limit=2, cursor=cursors[-1]))
        found += [item.id for item in page.items]
        cursors.append(page.next_cursor)

    assert found == [
        one for one in expected if one != made[0]
    ]  # the one that moved to the top comes with the next load


def test_an_entry_holds_the_counters_and_the_last_message(people, private):
    ada, bob, _ = people
    say(ada, private, "one")
    sent = say(ada, private, "two")
    read_marks.mark_read(bob, private, 1)

    mine, theirs = conversations.get(bob, private), conversations.get(ada, private)

    assert (mine.last_seq, mine.last_change, mine.read_seq, mine.unread) == (2, 2, 1, 1)
    assert mine.last_message.id == sent["id"]
    assert (mine.peer_read_seq, theirs.peer_read_seq) == (2, 1)
    assert (mine.type, mine.name, mine.role) == ("private", None, None)
    assert theirs.unread == 0


def test_an_entry_of_a_group_holds_its_card_and_the_users_role(people):
    ada, bob, _ = people
    (group_id,) = make_groups(ada, 1, bob)

    entry = conversations.get(bob, group_id)

    assert (entry.type, entry.name, entry.member_count, entry.role) == ("group", "g0", 2, "member")
    assert (entry.peer, entry.peer_id, entry.peer_read_seq) == (None, None, None)


def test_unread_mentions_by_others_are_counted(people):
    ada, bob, eve = people
    (group_id,) = make_groups(ada, 1, bob, eve)
    say(ada, group_id, mentions=[bob])
    read_marks.mark_read(bob, group_id, 99)
    read_marks.mark_read(eve, group_id, 99)
    say(ada, group_id, mentions=[bob, "all"])
    say(ada, group_id, mentions=["all"])
    say(eve, group_id, mentions=[ada])

    counts = {user: conversations.get(user, group_id).mention_count for user in people}

    assert counts == {ada: 1, bob: 2, eve: 0}


def test_the_number_of_queries_does_not_depend_on_the_page_length(app, people):
    ada, bob, eve = people
    for group_id in make_groups(ada, 12, bob):
        say(bob, group_id, mentions=[ada])
    conversations.open_with(ada, bob)
    conversations.open_with(ada, eve)
    statements = []

    @event.listens_for(db.engine, "before_cursor_execute")
    def count(*args):
        statements.append(args[2])

    costs = []
    for limit in (4, 14):
        statements.clear()
        assert len(ids(ada, limit=limit)) == limit
        costs.append(len(statements))
    event.remove(db.engine, "before_cursor_execute", count)

    assert costs[0] == costs[1] <= 5


def test_a_conversation_that_the_user_left_is_not_listed(people):
    ada, bob, _ = people
    (group_id,) = make_groups(ada, 1, bob)
    group_members.leave(bob, group_id)

    assert ids(bob) == []
    with pytest.raises(NotAMemberError):
        conversations.get(bob, group_id)


# -- the user's own settings -----------------------------------------------------------------------------------


def test_settings_belong_to_one_user_and_advance_the_version(people, private):
    ada, bob, _ = people

    first = change(bob, private, is_pinned=True, is_muted=True, draft="soon")
    second = change(bob, private, is_muted=False)

    assert second.version > first.version
    assert second.pinned_at == first.pinned_at is not None
    assert (second.is_muted, second.draft) == (False, "soon")
    assert change(bob, private, draft="").draft is None
    assert conversations.get(ada, private).pinned_at is None


def test_a_hidden_conversation_returns_with_the_next_message(people, private):
    ada, bob, _ = people
    say(ada, private)
    change(bob, private, is_hidden=True)

    hidden, there = ids(bob), conversations.get(bob, private).is_hidden
    say(ada, private)

    assert (hidden, there) == ([], True)
    assert ids(bob) == [private]
    assert conversations.get(bob, private).is_hidden is False


def test_a_hidden_conversation_can_be_shown_again(people, private):
    ada, bob, _ = people
    conversations.open_with(bob, ada)
    change(bob, private, is_hidden=True)
    change(bob, private, is_hidden=False)

    assert ids(bob) == [private]


@pytest.mark.parametrize("act", ["read", "send"])
def test_the_marked_unread_flag_ends_when_the_user_reads_or_writes(people, private, act):
    ada, bob, _ = people
    say(ada, private)
    read_marks.mark_read(bob, private, 1)
    marked = change(bob, private, is_marked_unread=True)

    if act == "read":
        read_marks.mark_read(bob, private, 1)
    else:
        say(bob, private)

    assert marked.is_marked_unread is True
    assert conversations.get(bob, private).is_marked_unread is False


def test_settings_of_a_conversation_are_refused_to_a_nonmember(people, private):
    eve = people[2]

    with pytest.raises(NotAMemberError):
        change(eve, private, is_pinned=True)
    with pytest.raises(NotAMemberError):
        conversations.get(eve, private)


# -- deleting for oneself --------------------------------------------------------------------------------------


def test_a_message_deleted_for_oneself_is_hidden_for_that_user_only(people, private):
    ada, bob, _ = people
    kept, gone = say(ada, private), say(ada, private)

    first = hidden_messages.hide(bob, HideMessages(message_ids=[gone["id"], gone["id"]]))
    again = hidden_messages.hide(bob, HideMessages(message_ids=[gone["id"]]))

    assert first.message_ids == again.message_ids == [gone["id"]]
    assert conversations.get(bob, private).last_message.id == kept["id"]
    assert conversations.get(ada, private).last_message.id == gone["id"]
    history = messages.history(bob, private, HistoryQuery()).items
    assert [message.id for message in history] == [kept["id"]]
    with pytest.raises(NotFoundError):
        messages.get(bob, gone["id"])


def test_a_conversation_with_all_messages_deleted_has_no_last_message(people, private):
    ada, bob, _ = people
    sent = say(ada, private)
    hidden_messages.hide(bob, HideMessages(message_ids=[sent["id"]]))

    assert conversations.get(bob, private).last_message is None


def test_deleting_fails_as_a_whole_if_one_message_is_missing_or_not_visible(people, private):
    ada, bob, eve = people
    sent = say(ada, private)

    with pytest.raises(NotAMemberError):
        hidden_messages.hide(eve, HideMessages(message_ids=[sent["id"]]))
    with pytest.raises(NotFoundError):
        hidden_messages.hide(bob, HideMessages(message_ids=[sent["id"], f"{private}-9"]))

    assert conversations.get(bob, private).last_message.id == sent["id"]


def test_a_conversation_id_that_names_another_pair_after_a_restore_gets_no_message(people, private, monkeypatch):
    ada, bob, eve = people
    other = open_private(ada, eve)[0]
    to_bob = SendMessage(client_id="c", type="text", content={"text": "for bob"}, to_user_id=bob)
    private_ids().add(ada, bob, other)

    first, second = (outcome_of(ada, to_bob) for _ in range(2))

    assert isinstance(first, UnavailableError)
    assert second["message"]["conversation_id"] == private
    assert not messages.history(ada, other, HistoryQuery()).items


def test_a_fault_other_than_a_race_while_opening_is_raised(people, monkeypatch):
    def fail(*_arguments):
        raise IntegrityError("INSERT", {}, ValueError("another constraint"))

    monkeypatch.setattr(private_conversations, "atomic", fail)

    with pytest.raises(IntegrityError):
        open_private(people[0], people[1])


def outcome_of(user_id, message):
    """Return the outcome that the sender is given."""
    answered, outcomes = threading.Event(), []
    messages.submit_send(user_id, message, lambda outcome: (outcomes.append(outcome), answered.set()))
    assert answered.wait(10)
    return outcomes[0]


def receipt(seq):
    return {"conversation_id": 1, "user_id": 2, "read_seq": seq, "version": seq}


def test_read_marks_out_of_order_are_pushed_in_order(app, monkeypatch):
    told = []
    monkeypatch.setattr(receipts, "INTERVAL_SECONDS", 0.05)
    monkeypatch.setattr(bus, "send", lambda _name, payload, _room: told.append(payload["read_seq"]))

    for seq in (5, 4, 7, 6):
        receipts.spread(receipt(seq))
    wait_for(lambda: not node_of(app).part(Recent).pushed, what="the end of the interval")

    assert told == [5, 7]


def test_a_stopping_node_pushes_pending_read_marks(app, monkeypatch):
    told = []
    monkeypatch.setattr(bus, "send", lambda _name, payload, _room: told.append(payload["read_seq"]))
    for seq in (5, 6, 7):
        receipts.spread(receipt(seq))

    receipts.flush(app)

    assert told == [5, 7]


def test_a_reader_gets_a_new_receipt_after_one_that_could_not_be_sent(app, monkeypatch):
    told = []
    monkeypatch.setattr(receipts, "INTERVAL_SECONDS", 0.05)
    with monkeypatch.context() as patch:
        patch.setattr(bus, "send", lambda *_arguments: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            receipts.spread(receipt(4))
    monkeypatch.setattr(bus, "send", lambda _name, payload, _room: told.append(payload["read_seq"]))

    receipts.spread(receipt(5))

    wait_for(lambda: told == [5], what="the next receipt")
    wait_for(lambda: not node_of(app).part(Recent).pushed, what="the end of the interval")
