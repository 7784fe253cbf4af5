"""Changed profiles: which users get them by push and `sync`, and which fields stay private."""

from functools import partial

import pytest
from sqlalchemy import event

from imapp.cluster.bus import bus
from imapp.errors import RateLimitedError
from imapp.extensions import db
from imapp.schemas.contacts import ContactRequestIn
from imapp.schemas.sync import SyncIn, SyncOut
from imapp.schemas.users import ProfileIn
from imapp.services.accounts import profiles, users
from imapp.services.contacts import blocks, contact_requests, contacts
from imapp.services.messaging.private_conversations import open_private
from imapp.services.sync import sync
from tests.services.groups import make_group
from tests.support.people import at_once, create_users


@pytest.fixture
def people(app):
    return create_users("alice", "bob", "carol", "dave", "erin", "frank", "grace")


@pytest.fixture
def known(people):
    """Alice: contact of bob, asked carol, asked by dave, blocked by erin, has talked to frank, unknown to grace."""
    alice, bob, carol, dave, erin, frank, _ = people
    ask(alice, bob)
    ask(bob, alice)
    ask(alice, carol)
    ask(dave, alice)
    blocks.block(erin, alice)
    open_private(frank, alice)
    return people


@pytest.fixture
def pushed(monkeypatch):
    """Record what is pushed as (room, event)."""
    seen = []
    monkeypatch.setattr(bus, "publish", lambda told, *rooms, **_: seen.extend((room, told) for room in rooms))
    return seen


def ask(user_id, other_id):
    contact_requests.send(user_id, ContactRequestIn(user_id=other_id))


def rename(user_id, nickname):
    return profiles.update_me(user_id, ProfileIn(nickname=nickname))


def cursor_of(user_id):
    return sync.sync(user_id, SyncIn())["cursor"]


def news(user_id, cursor):
    """Return the own state that `sync` gives after the cursor: kind -> users in it."""
    answer = sync.sync(user_id, SyncIn(cursor=cursor))
    SyncOut.model_validate(answer)
    found = {}
    for row in answer["state"]:
        found.setdefault(row["kind"], []).append(row["item"].get("user", row["item"]))
    return found


def names(found):
    return {kind: [user["nickname"] for user in shown] for kind, shown in found.items() if kind != "conversation"}


def test_a_change_is_pushed_to_all_users_that_have_the_profile_in_a_list(known, pushed):
    alice, bob, carol, dave, erin, frank, _ = known

    me = rename(alice, "Lissy")

    others = users.get_user(alice)
    assert dict(pushed) == {
        bus.user_room(alice): profiles.UserUpdated(user=me),
        **{bus.user_room(id_): profiles.UserUpdated(user=others) for id_ in (bob, carol, dave, erin, frank)},
    }
    assert len(pushed) == 6


def test_private_fields_are_never_sent_to_other_users(known, pushed):
    alice = known[0]
    profiles.update_me(alice, ProfileIn(nickname="Lissy", email="a@example.org", phone="+49 30 1"))

    told = [event.wire()["user"] for room, event in pushed if room != bus.user_room(alice)]

    assert told
    for user in told:
        assert user.keys().isdisjoint({"email", "phone", "is_operator", "version"})


def test_a_user_gets_the_change_by_sync_after_being_offline(known):
    alice, bob, carol, dave, erin, frank, grace = known
    cursors = {user_id: cursor_of(user_id) for user_id in known}

    rename(alice, "Lissy")

    told = {user_id: names(news(user_id, cursors[user_id])) for user_id in known}
    assert told == {
        alice: {"me": ["Lissy"]},
        bob: {"contact": ["Lissy"], "contact_request": ["Lissy"]},
        carol: {"contact_request": ["Lissy"]},
        dave: {"contact_request": ["Lissy"]},
        erin: {"block": ["Lissy"]},
        frank: {"user": ["Lissy"]},
        grace: {},
    }


def test_each_changed_row_has_its_own_version(known):
    alice, bob, *_ = known
    open_private(bob, alice)
    blocks.block(bob, alice)
    cursor = cursor_of(bob)

    rename(alice, "Lissy")

    rows = sync.sync(bob, SyncIn(cursor=cursor))["state"]
    own = [row["version"] for row in rows if row["kind"] != "user"]
    assert sorted(row["kind"] for row in rows) == ["block", "contact", "contact_request", "conversation", "user"]
    assert own == sorted(set(own))


def test_users_that_removed_the_profile_from_their_lists_are_not_notified(known, pushed):
    alice, bob, _, _, erin, *_ = known
    contacts.remove(bob, alice)
    blocks.unblock(erin, alice)
    cursors = {user_id: cursor_of(user_id) for user_id in (bob, erin)}
    pushed.clear()

    rename(alice, "Lissy")

    assert names(news(bob, cursors[bob])) == {"contact_request": ["Lissy"]}
    assert news(erin, cursors[erin]) == {}
    assert bus.user_room(erin) not in dict(pushed)


def test_members_of_a_common_group_are_not_notified(people, pushed):
    alice, bob, *_ = people
    make_group(alice, bob)
    cursor = cursor_of(bob)
    pushed.clear()

    rename(alice, "Lissy")

    assert [room for room, _ in pushed] == [bus.user_room(alice)]
    assert news(bob, cursor) == {}


def test_a_change_of_private_fields_is_sent_to_the_owner_only(known, pushed):
    alice, bob, *_ = known
    cursors = {user_id: cursor_of(user_id) for user_id in (alice, bob)}
    pushed.clear()

    me = profiles.update_me(alice, ProfileIn(email="a@example.org"))

    assert me.revision == 0
    assert [room for room, _ in pushed] == [bus.user_room(alice)]
    assert news(alice, cursors[alice])["me"] == [me.wire()]
    assert news(bob, cursors[bob]) == {}


def test_an_update_without_a_difference_notifies_nobody(known, pushed):
    alice, bob, *_ = known
    first = rename(alice, "Lissy")
    cursor = cursor_of(bob)
    pushed.clear()

    assert rename(alice, "Lissy") == first

    assert pushed == []
    assert news(bob, cursor) == {}


def test_revisions_increase_so_that_a_late_push_is_recognised_as_old(known):
    first, second = rename(known[0], "Lissy"), rename(known[0], "Liz")

    assert (first.revision, second.revision) == (1, 2)
    assert second.version > first.version


def test_the_number_of_statements_does_not_depend_on_the_number_of_notified_users(app):
    alice, bob, *others = create_users("alice", "bob", *(f"user{n}" for n in range(30)))
    for user_id, friends in ((alice, others[:1]), (bob, others)):
        for other in friends:
            ask(user_id, other)
            ask(other, user_id)
            open_private(other, user_id)
    statements = []
    event.listen(db.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))

    def cost(user_id):
        statements.clear()
        rename(user_id, "new")
        return len(statements)

    assert cost(alice) == cost(bob)


def test_notifying_in_slices_reaches_all_users(app, monkeypatch):
    alice, *others = create_users("alice", *(f"user{n}" for n in range(7)))
    for other in others:
        ask(other, alice)
        open_private(other, alice)
    cursors = {user_id: cursor_of(user_id) for user_id in others}
    monkeypatch.setattr(profiles, "_SLICE", 3)

    rename(alice, "Lissy")

    for user_id in others:
        assert names(news(user_id, cursors[user_id])) == {"contact_request": ["Lissy"], "user": ["Lissy"]}


def test_contacts_can_change_their_profiles_simultaneously(app, known):
    alice, bob, carol, *_ = known
    ask(bob, carol)
    ask(carol, bob)
    cursors = {user_id: cursor_of(user_id) for user_id in (alice, bob, carol)}

    def befriend_and_part():
        for _ in range(5):
            contact_requests.send(carol, ContactRequestIn(user_id=alice))
            contacts.remove(alice, carol)
            ask(alice, carol)

    def rename_often(user_id, name):
        for number in range(5):
            rename(user_id, f"{name} {number}")

    renames = [partial(rename_often, user_id, name) for user_id, name in ((alice, "A"), (bob, "B"), (carol, "C"))]
    outcomes = at_once(app, *renames, befriend_and_part)

    assert outcomes == [None] * 4
    assert sorted(names(news(bob, cursors[bob]))["contact"]) == ["A 4", "C 4"]
    assert names(news(carol, cursors[carol]))["contact_request"][-1] == "A 4"


def test_a_viewer_added_before_the_counter_is_locked_is_notified(people, monkeypatch):
    alice, bob, *_ = people
    ask(alice, bob)
    cursor = cursor_of(bob)
    found, answers = profiles._viewers, iter([profiles._Viewers([[], [], [], []], {})])
    monkeypatch.setattr(profiles, "_viewers", lambda *args: next(answers, None) or found(*args))

    rename(alice, "Lissy")

    assert names(news(bob, cursor)) == {"contact_request": ["Lissy"]}


def test_profile_changes_are_rate_limited(make_app):
    app = make_app(rate_limits=True, rate_profile_changes_per_user="2/hour")
    with app.app_context():
        [alice] = create_users("alice")
        rename(alice, "one")
        rename(alice, "two")

        with pytest.raises(RateLimitedError):
            rename(alice, "three")
