"""`sync` gives every missed change in order and within bounds, and says when an answer is incomplete."""

import threading
from uuid import uuid4

import pytest

from imapp.database.transactions import atomic
from imapp.events import GroupUpdated
from imapp.extensions import db
from imapp.models.conversations import ConversationMember
from imapp.schemas.conversations import ConversationPatch
from imapp.schemas.groups import GroupIn, MembersQuery
from imapp.schemas.messages import EditMessage, HideMessages, MessageDraft
from imapp.schemas.sync import SyncIn, SyncOut
from imapp.services import own_versions
from imapp.services.contacts import blocks
from imapp.services.groups import group_members, groups
from imapp.services.messaging import (
    conversation_changes,
    conversation_settings,
    hidden_messages,
    messages,
    read_marks,
)
from imapp.services.messaging.private_conversations import open_private
from imapp.services.sync import sync as service
from imapp.services.sync import sync_marks, sync_state
from tests.support.people import create_users


@pytest.fixture
def people(app):
    """Return the ids of Ada, Bob and Eve."""
    return create_users("ada", "bob", "eve")


@pytest.fixture
def private(people):
    """Return the conversation of Ada and Bob."""
    return open_private(people[0], people[1])[0]


def say(user_id, conversation_id, text="hello"):
    draft = MessageDraft(client_id=uuid4().hex, type="text", content={"text": text})
    return messages.send(user_id, conversation_id, draft)["message"]


def ask(user_id, known=None, **fields):
    """Sync and check the answer's shape; return it with the conversations by id."""
    answer = service.sync(user_id, SyncIn(conversations=known or {}, **fields))
    SyncOut.model_validate(answer)
    answer["by_id"] = {item["id"]: item for item in answer["conversations"]}
    return answer


def numbers(item):
    return [change["change"] for change in item["changes"]]


def loop(user_id, known, **fields):
    """Sync until `more` is false; return all entries by conversation, and the answers."""
    known, entries, answers = dict(known), {}, []
    while not answers or answers[-1]["more"]:
        cursor = {"cursor": answers[-1]["cursor"]} if answers else {}
        answers.append(ask(user_id, known, **{**fields, **cursor}))
        for item in answers[-1]["conversations"]:
            entries.setdefault(item["id"], []).extend(item["changes"])
            known[item["id"]] = item["next_change"]
        assert len(answers) < 500
    return entries, answers


# -- conversations ---------------------------------------------------------------------------------------------


def test_a_known_conversation_comes_with_its_next_changes_in_pages(people, private):
    ada, bob, _ = people
    for number in range(7):
        say(ada, private, str(number))

    first = ask(bob, {private: 1}, limit=3)["by_id"][private]
    entries, answers = loop(bob, {private: 1}, limit=3)

    assert (numbers(first), first["limited"], first["next_change"]) == ([2, 3, 4], True, 4)
    assert (first["last_seq"], first["last_change"]) == (7, 7)
    assert [entry["change"] for entry in entries[private]] == [2, 3, 4, 5, 6, 7]
    assert answers[-1]["by_id"][private]["limited"] is False


def test_an_unknown_conversation_comes_with_its_latest_page_and_is_marked_limited(people, private):
    ada, bob, _ = people
    for number in range(5):
        say(ada, private, str(number))

    answer = ask(bob, limit=2)

    item = answer["by_id"][private]
    assert (numbers(item), item["limited"], item["next_change"]) == ([4, 5], True, 5)
    assert answer["more"] is False
    assert ask(bob, limit=5)["by_id"][private]["limited"] is False


def version_in(cursor):
    """Return the version of own state in a cursor; the last part of a cursor is a time."""
    return cursor.split(".")[1]


def test_read_marks_of_a_small_group_reach_a_device_that_was_offline(people):
    ada, bob, eve = people
    group = groups.create(ada, GroupIn(name="g", member_ids=[bob, eve])).id
    say(ada, group)
    known = ask(bob)
    change = known["conversations"][0]["last_change"]

    def marks(cursor, **fields):
        answer = ask(bob, {group: change}, cursor=cursor, **fields)
        return [item["read_marks"] for item in answer["conversations"]], answer["cursor"]

    assert known["conversations"][0]["read_marks"] == {str(ada): 2, str(bob): 1, str(eve): 1}
    read_marks.mark_read(eve, group, 2)
    told, _ = marks(known["cursor"], last_id=group)
    assert told == [{str(ada): 2, str(bob): 1, str(eve): 2}]
    long_ago = known["cursor"].rpartition(".")[0]
    assert marks(long_ago)[0] == told
    in_an_hour = f"{long_ago}.{int(known['cursor'].rpartition('.')[2]) + 3_600_000}"
    assert marks(in_an_hour)[0] == []


def test_a_partial_sync_does_not_advance_the_cursor_past_read_marks_of_other_conversations(people, private):
    _, bob, _ = people
    cursor = ask(bob)["cursor"]

    assert ask(bob, cursor=cursor, last_id=private)["cursor"] == cursor
    assert ask(bob, {private: 0}, cursor=cursor, first_id=private)["cursor"] != cursor


def test_an_answer_marks_conversations_without_room_for_read_marks(make_app, monkeypatch):
    with make_app(group_receipts_max_members=2).app_context():
        ada, bob, eve = create_users("ada", "bob", "eve")
        first, second = (groups.create(ada, GroupIn(name="g", member_ids=[bob])).id for _ in range(2))
        large = groups.create(ada, GroupIn(name="g", member_ids=[bob, eve])).id
        monkeypatch.setattr(sync_marks, "MARKS_MAX", 3)

        told = {item["id"]: item["read_marks"] for item in ask(bob)["conversations"]}

        assert told == {first: {}, second: {str(ada): 1, str(bob): 1}, large: None}
        sizes = {id_: group_members.list_members(bob, id_, MembersQuery()).items[0].read_seq for id_ in told}
        assert sizes == {first: 1, second: 1, large: None}


def test_a_conversation_without_changes_is_left_out(people, private):
    ada, bob, _ = people
    say(ada, private)
    known = ask(bob)

    answer = ask(bob, {private: 1}, cursor=known["cursor"])

    assert answer["conversations"] == answer["state"] == []
    assert (answer["more"], version_in(answer["cursor"])) == (False, version_in(known["cursor"]))


def test_a_change_of_read_marks_alone_includes_the_conversation(people, private):
    ada, bob, _ = people
    say(ada, private)
    cursor = ask(bob)["cursor"]
    read_marks.mark_read(bob, private, 1)

    mine = ask(bob, {private: 1}, cursor=cursor)
    theirs = ask(ada, {private: 1}, cursor=cursor)

    assert mine["by_id"][private]["read_seq"] == 1
    assert mine["by_id"][private]["changes"] == []
    assert theirs["by_id"][private]["peer_read_seq"] == 1


def test_each_change_of_a_message_carries_its_present_content(people, private):
    ada, bob, _ = people
    sent = say(ada, private, "first")
    say(ada, private, "other")
    messages.edit(ada, EditMessage(message_id=sent["id"], content={"text": "second"}))

    changes = ask(bob, {private: 0})["by_id"][private]["changes"]

    assert [change["event"] for change in changes] == ["message_created", "message_created", "message_edited"]
    assert [change["message"]["content"]["text"] for change in changes] == ["second", "other", "second"]
    assert [change["message"]["change"] for change in changes] == [3, 2, 3]


def test_a_message_deleted_for_oneself_is_left_out_and_its_change_number_is_passed(people, private):
    ada, bob, _ = people
    say(ada, private)
    hidden = say(ada, private, "gone")
    hidden_messages.hide(bob, HideMessages(message_ids=[hidden["id"]]))

    mine = ask(bob, {private: 0})

    assert numbers(mine["by_id"][private]) == [1]
    assert mine["by_id"][private]["next_change"] == 2
    assert mine["by_id"][private]["limited"] is False
    assert numbers(ask(ada, {private: 0})["by_id"][private]) == [1, 2]
    assert [row["item"]["message_ids"] for row in mine["state"] if row["kind"] == "messages_hidden"] == [[hidden["id"]]]


def test_group_events_come_with_their_payload(people):
    ada, bob, eve = people
    group_id = groups.create(ada, GroupIn(name="g", member_ids=[bob])).id
    group_members.add(ada, group_id, [eve])

    changes = ask(eve)["by_id"][group_id]["changes"]

    assert [change["event"] for change in changes][::2] == ["group_created", "members_added"]
    assert changes[2]["user_ids"] == [eve]
    assert changes[2]["conversation_id"] == group_id


def test_conversations_of_others_are_answered_as_removed_without_data(people, private):
    ada, bob, eve = people
    say(ada, private)
    group_id = groups.create(ada, GroupIn(name="g", member_ids=[bob, eve])).id
    group_members.remove(ada, group_id, eve)
    say(ada, group_id)

    answer = ask(eve, {private: 0, group_id: 1, 999_999: 7})

    assert set(answer["by_id"]) == {private, group_id, 999_999}
    for item in answer["conversations"]:
        assert (item["removed"], item["changes"], item["last_seq"], item["type"]) == (True, [], 0, None)


def test_a_conversation_is_reset_if_the_device_is_ahead_of_the_server(people, private):
    ada, bob, _ = people
    say(ada, private)

    item = ask(bob, {private: 99})["by_id"][private]

    assert item["reset"] is True
    assert (numbers(item), item["next_change"]) == ([1], 1)


# -- own state -------------------------------------------------------------------------------------------------


def test_own_state_is_sent_once_and_only_if_new(people, private):
    _, bob, eve = people
    cursor = ask(bob)["cursor"]
    conversation_settings.change(bob, private, ConversationPatch(draft="soon"))
    blocks.block(bob, eve)

    answer = ask(bob, {private: 0}, cursor=cursor)

    assert [row["kind"] for row in answer["state"]] == ["conversation", "block"]
    assert answer["state"][0]["item"]["draft"] == "soon"
    assert ask(bob, {private: 0}, cursor=answer["cursor"])["state"] == []


def test_a_conversation_entered_during_the_sync_comes_with_its_settings(people, monkeypatch):
    ada, bob, _ = people
    page = sync_state.page

    def page_and_enter(*args):
        found = page(*args)
        group = groups.create(bob, GroupIn(name="late", member_ids=[ada])).id
        conversation_settings.change(ada, group, ConversationPatch(is_muted=True))
        return found

    monkeypatch.setattr(sync_state, "page", page_and_enter)

    answer = service.sync(ada, SyncIn())

    feed, row = answer["conversations"][0], answer["state"][-1]
    assert row["kind"] == "conversation"
    assert (row["item"]["conversation_id"], row["item"]["is_muted"]) == (feed["id"], True)


def test_rows_of_one_version_are_never_split(people, private, monkeypatch):
    ada, bob, eve = people
    ids = [say(ada, private)["id"] for _ in range(6)]
    conversation_settings.change(bob, private, ConversationPatch(is_muted=True))
    hidden_messages.hide(bob, HideMessages(message_ids=ids))
    blocks.block(bob, eve)
    monkeypatch.setattr(sync_state, "PAGE_ROWS", 2)

    _, answers = loop(bob, {private: 6})

    assert [answer["state_limited"] for answer in answers][-1] is False
    found = [(row["kind"], row["version"]) for answer in answers for row in answer["state"]]
    assert [kind for kind, _ in found] == ["conversation", "messages_hidden", "block"]
    assert found == sorted(found, key=lambda row: row[1])
    (hidden,) = [row for answer in answers for row in answer["state"] if row["kind"] == "messages_hidden"]
    assert sorted(hidden["item"]["message_ids"]) == sorted(ids)
    assert len(answers) == 3


def test_own_state_is_bounded_in_bytes(people, monkeypatch):
    ada, *others = people
    for other in others:
        conversation_id = open_private(ada, other)[0]
        conversation_settings.change(ada, conversation_id, ConversationPatch(draft="x" * 8000))
    monkeypatch.setattr(sync_state, "PAGE_BYTES", 9000)

    _, answers = loop(ada, {})

    assert [len(answer["state"]) for answer in answers] == [1, 1]
    assert [answer["state_limited"] for answer in answers] == [True, False]


@pytest.mark.parametrize("cursor", ["0123456789abcdef.3", "nonsense", ".5", "", "x.-1"])
def test_a_cursor_of_another_epoch_resets_everything(people, private, cursor):
    ada, bob, _ = people
    say(ada, private)
    conversation_settings.change(bob, private, ConversationPatch(is_muted=True))

    answer = ask(bob, {private: 1}, cursor=cursor)

    item = answer["by_id"][private]
    assert (item["reset"], numbers(item)) == (True, [1])
    assert [row["kind"] for row in answer["state"]] == ["conversation"]
    assert answer["cursor"].startswith(answer["epoch"] + ".")


# -- bounds ----------------------------------------------------------------------------------------------------


def test_an_answer_is_limited_in_changes_and_the_next_one_continues(make_app):
    with make_app(sync_total_max=4, sync_changes_max=3).app_context():
        ada, *others = create_users("ada", "bob", "eve", "joe")
        ids = [open_private(ada, other)[0] for other in others]
        for conversation_id in ids:
            for _ in range(5):
                say(ada, conversation_id)

        first = ask(ada, {ids[0]: 0}, limit=1000)
        entries, answers = loop(ada, {ids[0]: 0}, limit=1000)

    assert sum(len(item["changes"]) for item in first["conversations"]) == 4
    assert first["more"] is True
    assert first["by_id"][ids[0]] == {**first["by_id"][ids[0]], "changes": [], "limited": True, "next_change": 0}
    assert [entry["change"] for entry in entries[ids[0]]] == [1, 2, 3, 4, 5]
    for conversation_id in ids[1:]:
        assert [entry["change"] for entry in entries[conversation_id]] == [3, 4, 5]
    assert all(sum(len(item["changes"]) for item in answer["conversations"]) <= 4 for answer in answers)


# -- late commits (drill R12) -----------------------------------------------------------------------------------


class Held:
    """A transaction in a thread of its own that has written and waits before its commit."""

    def __init__(self, app, write):
        self._wrote, self._go = threading.Event(), threading.Event()

        def run():
            with app.app_context():
                atomic(self._hold, write)

        self._thread = threading.Thread(target=run)
        self._thread.start()
        assert self._wrote.wait(10)

    def _hold(self, session, write):
        write(session)
        session.flush()
        self._wrote.set()
        assert self._go.wait(10)

    def commit(self):
        self._go.set()
        self._thread.join(10)


def later(app, action):
    """Run an action in a thread, because it may have to wait for a lock."""

    def run():
        with app.app_context():
            action()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_a_change_that_commits_late_is_not_skipped(app, people):
    ada, bob, _ = people
    group = groups.create(ada, GroupIn(name="g", member_ids=[bob]))
    first = ask(bob)
    known = first["by_id"][group.id]["next_change"]

    def write(session):
        conversation = conversation_changes.lock(session, group.id)
        event = GroupUpdated(conversation_id=group.id, actor_id=ada, group=group)
        conversation_changes.record(session, conversation, event)

    held = Held(app, write)
    second = later(app, lambda: say(ada, group.id))
    before = ask(bob, {group.id: known}, cursor=first["cursor"])
    held.commit()
    second.join(10)

    assert before["conversations"] == []
    after = ask(bob, {group.id: known})["by_id"][group.id]
    assert [(c["change"] - known, c["event"]) for c in after["changes"]] == [
        (1, "group_updated"),
        (2, "message_created"),
    ]


def test_own_state_that_commits_late_is_not_skipped(app, people, private):
    _, bob, eve = people
    cursor = ask(bob, {private: 0})["cursor"]

    def write(session):
        version = own_versions.next_version(session, bob)
        member = session.get(ConversationMember, (private, bob))
        member.draft, member.version = "late", version

    held = Held(app, write)
    second = later(app, lambda: blocks.block(bob, eve))
    before = ask(bob, {private: 0}, cursor=cursor)
    held.commit()
    second.join(10)

    assert (before["state"], version_in(before["cursor"])) == ([], version_in(cursor))
    assert [row["kind"] for row in ask(bob, {private: 0}, cursor=cursor)["state"]] == ["conversation", "block"]


def test_a_group_in_the_change_log_equals_the_group_as_answered(people):
    ada, bob, _ = people
    created = groups.create(ada, GroupIn(name="g", member_ids=[bob]))
    db.session.close()

    (change, *_) = ask(bob)["by_id"][created.id]["changes"]

    assert {**change["group"], "invited": []} == created.wire()


# -- partial syncs -----------------------------------------------------------------------------------------------


def test_an_answer_covers_only_the_requested_range_of_ids(people):
    ada, bob, eve = people
    ids = sorted([open_private(ada, bob)[0], open_private(ada, eve)[0]])
    ids.append(ids[1] + 1000)

    first = ask(ada, {ids[2]: 5}, last_id=ids[0])
    rest = ask(ada, {ids[2]: 5}, first_id=ids[0] + 1)

    assert list(first["by_id"]) == [ids[0]]
    assert {id_: item["removed"] for id_, item in rest["by_id"].items()} == {ids[1]: False, ids[2]: True}
    assert first["state"] == rest["state"]


def test_each_answer_reports_a_bounded_number_of_foreign_ids(people):
    known = dict.fromkeys(range(1000, 1700), 1)

    first = ask(people[0], known)
    left = {id_: change for id_, change in known.items() if id_ not in first["by_id"]}
    second = ask(people[0], left)

    assert (len(first["by_id"]), first["more"]) == (service.REMOVED_MAX, True)
    assert (len(second["by_id"]), second["more"]) == (200, False)


@pytest.mark.parametrize("first", [0, 1])
def test_the_first_message_brings_own_state_of_the_conversation_to_both_users(people, private, first):
    """Opening a conversation does not show it to Bob, so even his own first message must bring it to his devices."""
    cursors = [ask(user_id)["cursor"] for user_id in people[:2]]
    say(people[first], private)

    answers = [ask(user_id, cursor=cursor) for user_id, cursor in zip(people[:2], cursors, strict=True)]

    told = [[entry["item"]["conversation_id"] for entry in answer["state"]] for answer in answers]
    assert told == [[private], [private]]


def test_conversations_known_to_the_device_come_before_unknown_ones(make_app):
    with make_app(sync_total_max=1).app_context():
        ada, *others = create_users("ada", "bob", "eve", "joe", "kim")
        ids = [open_private(ada, other)[0] for other in others]
        for conversation_id in ids:
            say(ada, conversation_id)
        read_marks.mark_read(others[0], ids[0], 1)

        answer = ask(ada, {ids[0]: 1})

        assert answer["by_id"][ids[0]]["peer_read_seq"] == 1
        assert answer["more"]
