"""Groups: creating, reading, settings, transfer of ownership, dissolving."""

import time

import pytest
from sqlalchemy import insert, select

from imapp.clock import now
from imapp.database.transactions import atomic
from imapp.errors import (
    BlockedError,
    GroupDissolvedError,
    GroupFullError,
    InvalidInputError,
    MutedError,
    NotAMemberError,
    NotFoundError,
    RoleRequiredError,
)
from imapp.extensions import db
from imapp.models.conversations import Conversation
from imapp.models.own_state import UserState
from imapp.models.users import User
from imapp.schemas.groups import GroupIn, GroupPatch, JoinIn, JoinRequestsQuery, MembersQuery, RoleIn
from imapp.schemas.messages import HistoryQuery
from imapp.services.accounts.passwords import NO_PASSWORD
from imapp.services.contacts import blocks
from imapp.services.groups import group_members, groups, join_requests
from imapp.services.messaging import messages, private_conversations, reactions
from tests.services.groups import ask, changes, lines, make_group, row_of, say, version_of
from tests.support.people import create_users


@pytest.fixture
def people(app):
    return create_users("alice", "bob", "carol", "dave")


@pytest.fixture
def group_id(people):
    """Create a group: alice owns it, bob is an admin, carol a member; dave is outside."""
    alice, bob, carol, _ = people
    made = make_group(alice, bob, carol)
    group_members.set_role(alice, made, bob, RoleIn(role="admin"))
    return made


def test_the_creator_of_a_group_owns_it_and_the_named_users_are_members(people):
    alice, bob, carol, _ = people

    made = groups.create(alice, GroupIn(name=" Hikers ", member_ids=[bob, carol, bob, alice], description="On Sundays"))

    assert (made.id, made.name, made.owner_id, made.member_count) == (made.conversation_id, "Hikers", alice, 3)
    assert (made.member_limit, made.join_policy, made.is_muted_all) == (500, "invitation", False)
    roles = {item.user_id: item.role for item in group_members.list_members(bob, made.id, MembersQuery()).items}
    assert roles == {alice: "owner", bob: "member", carol: "member"}


def test_a_new_group_begins_with_one_change_and_one_line_read_by_everybody(people):
    alice, bob, _, _ = people
    before = version_of(bob)

    made = make_group(alice, bob)

    conversation = db.session.get(Conversation, made)
    assert (conversation.last_seq, conversation.last_change) == (1, 2)
    assert [(number, event) for number, event, _ in changes(made)] == [(1, "group_created"), (2, "message_created")]
    assert lines(bob, made) == [
        {"event": "group_created", "actor_id": alice, "name": "Hikers", "user_ids": [bob], "member_count": 2}
    ]
    assert (row_of(made, alice).read_seq, row_of(made, bob).read_seq) == (1, 1)
    assert row_of(made, bob).version == version_of(bob) == before + 1


@pytest.mark.parametrize("members", [[999_999_999], []])
def test_creating_a_group_with_an_unknown_user_fails(people, members):
    alice, bob, _, _ = people

    if members:
        with pytest.raises(NotFoundError):
            make_group(alice, bob, *members)
    else:
        assert groups.get(alice, make_group(alice)).member_count == 1


def test_creating_a_group_with_a_user_that_blocked_the_creator_fails(people):
    alice, bob, _, _ = people
    blocks.block(bob, alice)

    with pytest.raises(BlockedError):
        make_group(alice, bob)


def test_creating_a_group_beyond_its_own_limit_fails(people):
    alice, bob, carol, _ = people

    with pytest.raises(GroupFullError):
        make_group(alice, bob, carol, member_limit=2)


def test_a_group_cannot_have_a_higher_limit_than_the_server(people):
    with pytest.raises(InvalidInputError):
        make_group(people[0], member_limit=501)


def test_a_member_sees_the_whole_group_and_their_own_role(people, group_id):
    _, bob, _, _ = people

    seen = groups.get(bob, group_id)

    assert (seen.my_role, seen.my_muted_until, seen.member_count) == ("admin", None, 3)


def test_an_outsider_sees_the_card_but_not_the_announcement(people, group_id):
    alice, bob, _, dave = people
    groups.update_settings(alice, group_id, GroupPatch(announcement="Bring water.", join_policy="open"))

    seen = groups.get(dave, group_id)

    assert (seen.name, seen.my_role, seen.announcement) == ("Hikers", None, "")
    assert groups.get(bob, group_id).announcement == "Bring water."


@pytest.mark.parametrize("policy", ["invitation", "approval"])
def test_a_group_that_is_not_open_is_not_found_by_outsiders(people, group_id, policy):
    alice, _, _, dave = people
    groups.update_settings(alice, group_id, GroupPatch(join_policy=policy))

    with pytest.raises(NotFoundError):
        groups.get(dave, group_id)


def test_a_private_conversation_is_no_group(people):
    alice, bob, _, _ = people
    private, _ = private_conversations.open_private(alice, bob)

    for attempt in (
        lambda: groups.get(alice, private),
        lambda: groups.update_settings(alice, private, GroupPatch(name="Ours")),
        lambda: group_members.add(alice, private, [bob]),
        lambda: group_members.join(alice, private, JoinIn()),
        lambda: group_members.leave(alice, private),
        lambda: group_members.list_members(alice, private, MembersQuery()),
    ):
        with pytest.raises(NotFoundError):
            attempt()


def test_changed_settings_get_a_number_and_a_line(people, group_id):
    _, bob, carol, _ = people
    first = changes(group_id)[-1][0]

    patch = GroupPatch(name="Walkers", announcement="At nine.", avatar_url="/a.png", member_limit=10)
    changed = groups.update_settings(bob, group_id, patch)

    assert (changed.name, changed.announcement, changed.avatar_url, changed.member_limit) == (
        "Walkers", "At nine.", "/a.png", 10,
    )  # fmt: skip
    [update, line] = changes(group_id)[first:]
    assert update[:2] == (first + 1, "group_updated")
    assert update[2]["group"]["name"] == "Walkers"
    assert line[:2] == (first + 2, "message_created")
    assert lines(carol, group_id)[-1]["event"] == "group_updated"
    assert lines(carol, group_id)[-1]["changes"]["announcement"] == "At nine."


def test_unchanged_settings_leave_no_trace(people, group_id):
    before = changes(group_id)

    groups.update_settings(people[0], group_id, GroupPatch(name="Hikers"))

    assert changes(group_id) == before


def test_the_limit_cannot_be_set_below_the_number_of_members(people, group_id):
    with pytest.raises(InvalidInputError):
        groups.update_settings(people[0], group_id, GroupPatch(member_limit=2))


def test_only_owner_and_admins_change_settings(people, group_id):
    _, _, carol, dave = people

    with pytest.raises(RoleRequiredError):
        groups.update_settings(carol, group_id, GroupPatch(name="Mine"))
    with pytest.raises(NotAMemberError):
        groups.update_settings(dave, group_id, GroupPatch(name="Mine"))


def test_while_all_are_muted_only_owner_and_admins_may_send(people, group_id):
    alice, bob, carol, _ = people

    groups.update_settings(alice, group_id, GroupPatch(is_muted_all=True))

    assert say(alice, group_id)["seq"] < say(bob, group_id)["seq"]
    with pytest.raises(MutedError):
        say(carol, group_id)


def test_transferring_ownership_makes_the_old_owner_an_admin(people, group_id):
    alice, _, carol, _ = people
    versions = version_of(alice), version_of(carol)

    given = groups.transfer(alice, group_id, carol)

    assert given.owner_id == carol
    assert (row_of(group_id, alice).role, row_of(group_id, carol).role) == ("admin", "owner")
    assert (version_of(alice), version_of(carol)) == (versions[0] + 1, versions[1] + 1)
    assert lines(carol, group_id)[-1]["changes"] == {"owner_id": carol}


def test_transferring_ownership_to_the_owner_changes_nothing(people, group_id):
    before = changes(group_id)

    assert groups.transfer(people[0], group_id, people[0]).owner_id == people[0]
    assert changes(group_id) == before


def test_only_the_owner_transfers_a_group_and_only_to_a_member(people, group_id):
    alice, bob, carol, dave = people

    for actor in (bob, carol):
        with pytest.raises(RoleRequiredError):
            groups.transfer(actor, group_id, bob)
    with pytest.raises(NotAMemberError):
        groups.transfer(dave, group_id, dave)
    with pytest.raises(NotFoundError):
        groups.transfer(alice, group_id, dave)


def test_only_the_owner_dissolves_a_group(people, group_id):
    _, bob, carol, dave = people

    for actor, error in ((bob, RoleRequiredError), (carol, RoleRequiredError), (dave, NotAMemberError)):
        with pytest.raises(error):
            groups.dissolve(actor, group_id)


def test_a_dissolved_group_keeps_its_history_and_refuses_changes(people, group_id):
    alice, bob, carol, dave = people
    said = say(carol, group_id)

    groups.dissolve(alice, group_id)

    history = messages.history(carol, group_id, HistoryQuery())
    assert history.items[0].content == {"event": "group_dissolved", "actor_id": alice}
    assert said["id"] in [message.id for message in history.items]
    assert groups.get(carol, group_id).dissolved_at is not None
    with pytest.raises(NotFoundError):
        groups.get(dave, group_id)
    for attempt in (
        lambda: say(alice, group_id),
        lambda: reactions.react(bob, said["id"], "👍", remove=False),
        lambda: groups.update_settings(alice, group_id, GroupPatch(name="Again")),
        lambda: group_members.add(bob, group_id, [dave]),
        lambda: group_members.join(carol, group_id, JoinIn()),
        lambda: group_members.remove(alice, group_id, carol),
        lambda: groups.dissolve(alice, group_id),
    ):
        with pytest.raises(GroupDissolvedError):
            attempt()


def test_every_member_may_leave_a_dissolved_group(people, group_id):
    alice, _, _, _ = people
    groups.dissolve(alice, group_id)

    group_members.leave(alice, group_id)

    with pytest.raises(NotAMemberError):
        messages.history(alice, group_id, HistoryQuery())


def test_dissolving_a_group_cancels_its_pending_requests(people, group_id):
    alice, _, _, dave = people
    ask(dave, group_id)

    groups.dissolve(alice, group_id)

    [request] = join_requests.list_mine(dave, JoinRequestsQuery(status="cancelled")).items
    assert (request.group_id, request.handled_by) == (group_id, alice)


def _crowd(session, count):
    names = [f"crowd-{number}" for number in range(count)]
    rows = [
        {"username": name, "username_key": name, "nickname": name, "nickname_key": name,
         "password_hash": NO_PASSWORD, "created_at": now()}
        for name in names
    ]  # fmt: skip
    session.execute(insert(User), rows)
    ids = list(session.scalars(select(User.id).where(User.username_key.startswith("crowd-"))))
    session.execute(insert(UserState), [{"user_id": id_, "version": 0} for id_ in ids])
    return ids


def test_a_group_of_ten_thousand_members_is_created_in_seconds(make_app):
    app = make_app(group_member_limit=10_000)
    with app.app_context():
        owner, *others = atomic(_crowd, 10_000)
        began = time.monotonic()

        made = groups.create(owner, GroupIn(name="Everybody", member_ids=others))

        assert made.member_count == 10_000
        assert time.monotonic() - began < 60
        assert version_of(others[-1]) == row_of(made.id, others[-1]).version == 1
