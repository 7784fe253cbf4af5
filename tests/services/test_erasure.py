"""Erasing an account removes the person's data and keeps everything of other users."""

from uuid import uuid4

import pytest
from sqlalchemy import select, update

from imapp.clock import now
from imapp.database.transactions import atomic
from imapp.errors import (
    NotAMemberError,
    NotFoundError,
    OwnerMustTransferError,
    RecipientGoneError,
    UsernameTakenError,
)
from imapp.extensions import db
from imapp.models.conversations import ConversationMember
from imapp.models.groups import Group
from imapp.models.sessions import DeviceSession
from imapp.models.users import User
from imapp.schemas.contacts import ContactIn, ContactRequestIn, ContactsQuery
from imapp.schemas.groups import MembersQuery, RoleIn
from imapp.schemas.messages import HistoryQuery, MessageDraft
from imapp.schemas.sync import SyncIn
from imapp.schemas.users import ProfileIn
from imapp.services.accounts import erasure, profiles, users
from imapp.services.contacts import blocks, contact_requests, contacts
from imapp.services.groups import group_members, groups
from imapp.services.messaging import messages
from imapp.services.messaging.private_conversations import open_private
from imapp.services.sync import sync
from tests.services.groups import ask, group_row, make_group, present, row_of
from tests.support.crowd_of_rows import fill
from tests.support.people import create_users


@pytest.fixture
def people(app):
    """Return the ids of Ada, Bob and Eve."""
    return create_users("ada", "bob", "eve")


def say(user_id, conversation_id, text="hello", **more):
    draft = MessageDraft(client_id=uuid4().hex, type="text", content={"text": text}, **more)
    return messages.send(user_id, conversation_id, draft)["message"]


def befriend(user_id, other_id):
    request, _ = contact_requests.send(user_id, ContactRequestIn(user_id=other_id, message="it is me, Ada Lovelace"))
    contact_requests.accept(other_id, request.id)


def texts(reader, conversation_id):
    page = messages.history(reader, conversation_id, HistoryQuery(after=0, limit=200))
    return [message.content.get("text") for message in page.items if message.type != "system"]


def erase(user_id, own_messages="anonymise", *, transfer_groups=False):
    return erasure.erase(user_id, own_messages, transfer_groups=transfer_groups)


def test_the_profile_loses_its_name_and_its_viewers_are_notified(people):
    ada, bob, _ = people
    befriend(ada, bob)
    open_private(bob, ada)
    profiles.update_me(ada, ProfileIn(nickname="Ada", bio="I count.", email="ada@example.org", phone="+4412345"))
    cursor = sync.sync(bob, SyncIn())["cursor"]

    erase(ada)

    row = db.session.get(User, ada, populate_existing=True)
    assert row.username == row.username_key
    assert row.username.startswith(f"deleted-{ada}-")
    assert (row.nickname, row.bio, row.email, row.phone, row.last_seen_at) == ("Deleted user", "", None, None, None)
    assert (row.password_hash, row.is_operator, row.disabled_at is not None) == ("!", False, True)
    told = {row["kind"]: row["item"] for row in sync.sync(bob, SyncIn(cursor=cursor))["state"]}
    assert told["user"]["nickname"] == "Deleted user"
    assert told["contact"]["removed"]
    assert told["contact"]["user"]["nickname"] == "Deleted user"
    with pytest.raises(UsernameTakenError):
        create_users("ada")
    assert "ada" not in str(db.session.execute(select(User.__table__).where(User.id == ada)).one())


def test_contacts_requests_and_blocks_end_on_both_sides(people):
    ada, bob, eve = people
    befriend(ada, bob)
    contacts.set_remark(ada, bob, ContactIn(remark="my brother"))
    asked, _ = contact_requests.send(ada, ContactRequestIn(user_id=eve, message="Ada here"))
    blocks.block(ada, eve)

    erase(ada)

    assert contacts.list_contacts(bob, ContactsQuery()).items == []
    assert blocks.list_blocks(ada, ContactsQuery()).items == []
    state = [row["item"] for row in sync.sync(eve, SyncIn())["state"] if row["kind"] == "contact_request"]
    assert [(item["id"], item["status"], item["message"]) for item in state] == [(asked.id, "cancelled", "")]
    remarks = [row["item"]["remark"] for row in sync.sync(ada, SyncIn())["state"] if row["kind"] == "contact"]
    assert remarks == [""]


def test_messages_stay_without_the_authors_name(people):
    ada, bob, _ = people
    private, _ = open_private(ada, bob)
    for text in ("one", "two"):
        say(ada, private, text)
    say(bob, private, "three")

    assert erase(ada) == 0

    assert texts(bob, private) == ["one", "two", "three"]
    assert users.get_user(ada).nickname == "Deleted user"
    with pytest.raises(RecipientGoneError):
        say(bob, private)


def test_messages_are_recalled_everywhere_and_devices_are_notified(people):
    ada, bob, _ = people
    private, _ = open_private(ada, bob)
    group = make_group(bob, ada)
    for conversation_id in (private, group):
        atomic(fill, conversation_id, ada, 250, now())
        say(bob, conversation_id, "yours")
    group_members.leave(ada, group)
    known = {item["id"]: item["last_change"] for item in sync.sync(bob, SyncIn())["conversations"]}

    assert erase(ada, "delete") == 500

    for conversation_id in (private, group):
        assert events_after(bob, conversation_id, known[conversation_id]).count("message_recalled") == 250
        found = messages.history(bob, conversation_id, HistoryQuery(limit=200)).items
        assert not [one for one in found if one.sender_id == ada and one.type == "text" and one.content]
        assert [one.content for one in found if one.sender_id == bob and one.type == "text"] == [{"text": "yours"}]


def events_after(user_id, conversation_id, change):
    """Return the events that `sync` gives of a conversation, over all pages."""
    told, last = [], change + 1
    while change < last:
        answer = sync.sync(user_id, SyncIn(conversations={conversation_id: change}, limit=500))
        (item,) = [one for one in answer["conversations"] if one["id"] == conversation_id]
        told += [one["event"] for one in item["changes"]]
        change, last = item["next_change"], item["last_change"]
    return told


def test_erasing_an_owner_of_groups_is_refused_with_their_names_and_changes_nothing(people):
    ada, bob, _ = people
    group = make_group(ada, bob)

    with pytest.raises(OwnerMustTransferError, match=rf"Hikers \({group}\)"):
        erase(ada)

    assert users.get_user(ada).username == "ada"
    assert present(group) == 2


def test_groups_are_transferred_to_an_admin_and_a_group_without_other_members_is_dissolved(people):
    ada, bob, eve = people
    group, alone = make_group(ada, bob, eve), make_group(ada)
    group_members.set_role(ada, group, eve, RoleIn(role="admin"))

    erase(ada, transfer_groups=True)

    assert group_row(group).owner_id == eve
    assert (row_of(group, eve).role, row_of(group, ada).left_at is not None) == ("owner", True)
    assert group_row(group).member_count == present(group) == 2
    assert group_row(alone).dissolved_at is not None
    with pytest.raises(NotAMemberError):
        group_members.list_members(ada, group, MembersQuery())


def test_a_pending_join_request_is_cancelled(people):
    ada, bob, _ = people
    group = make_group(bob, join_policy="approval")
    ask(ada, group, "Ada would like to hike")

    erase(ada)

    told = [row["item"] for row in sync.sync(bob, SyncIn())["state"] if row["kind"] == "group_join_requests"]
    assert [item["items"] for item in told] == [[]]


def test_data_that_only_the_account_could_see_is_deleted(people):
    ada, bob, _ = people
    private, _ = open_private(ada, bob)
    moment = now()

    def insert(session):
        times = {"created_at": moment, "last_used_at": moment, "expires_at": moment}
        session.add(DeviceSession(user_id=ada, refresh_hash="", ip="192.0.2.1", user_agent="Ada's", **times))
        session.get_one(ConversationMember, (private, ada)).draft = "unsaid"

    atomic(insert)

    erase(ada)

    assert db.session.scalars(select(DeviceSession).where(DeviceSession.user_id == ada)).all() == []
    assert row_of(private, ada).draft is None


def test_an_erasure_can_be_repeated(people):
    ada, bob, _ = people
    private, _ = open_private(ada, bob)
    say(ada, private)
    erase(ada)
    name = users.get_user(ada).username

    assert erase(ada, "delete") == 1
    assert users.get_user(ada).username == name


def test_erasing_an_unknown_account_fails(people):
    with pytest.raises(NotFoundError):
        erase(12_345)


def test_a_refused_erasure_leaves_the_account_as_it_was(people):
    ada, bob, _ = people
    make_group(ada, bob)
    before = db.session.execute(select(User.__table__).where(User.id == ada)).one()

    with pytest.raises(OwnerMustTransferError):
        erase(ada)

    assert db.session.execute(select(User.__table__).where(User.id == ada)).one() == before


def test_a_group_that_arrives_at_the_last_moment_does_not_stop_an_erasure(people, monkeypatch):
    ada, bob, eve = people
    group = make_group(bob, ada, eve)
    close = erasure._close

    def close_after_a_transfer(session, user_id):
        if db.session.get(User, ada, populate_existing=True).disabled_at is None:
            session.execute(update(Group).where(Group.id == group).values(owner_id=ada))
            roles = {ada: "owner", bob: "admin"}
            for user_id_, role in roles.items():
                session.get_one(ConversationMember, (group, user_id_)).role = role
        return close(session, user_id)

    monkeypatch.setattr(erasure, "_close", close_after_a_transfer)

    erase(ada)

    assert group_row(group).owner_id == bob
    assert db.session.get(User, ada, populate_existing=True).username.startswith("deleted-")


def test_transferring_a_group_to_a_closed_account_fails(people):
    ada, bob, _ = people
    group = make_group(bob, ada)
    atomic(erasure._close, ada)

    with pytest.raises(RecipientGoneError):
        groups.transfer(bob, group, ada)


def test_groups_are_not_transferred_to_members_with_closed_accounts(people):
    ada, bob, eve = people
    group = make_group(ada, bob, eve)
    atomic(erasure._close, bob)

    erase(ada, transfer_groups=True)

    assert group_row(group).owner_id == eve


def test_an_interrupted_erasure_can_be_completed(people, monkeypatch):
    ada, *_ = people
    monkeypatch.setattr(erasure, "_wipe", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        erase(ada)
    monkeypatch.undo()

    erase(ada)

    assert users.get_user(ada).nickname == "Deleted user"
