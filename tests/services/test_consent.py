"""Consent to group membership: strangers, former, removed and blocking users; invitations and bans."""

from functools import partial

import pytest

from imapp.cluster.bus import bus
from imapp.errors import (
    AppError,
    BlockedError,
    GroupDissolvedError,
    JoinBannedError,
    NotFoundError,
    RateLimitedError,
    RequestHandledError,
    RoleRequiredError,
    TooManyConversationsError,
    TooManyGroupsError,
)
from imapp.schemas.contacts import ContactRequestIn
from imapp.schemas.groups import BansQuery, GroupIn, GroupPatch, JoinIn, JoinRequestsQuery, RoleIn
from imapp.schemas.sync import SyncIn
from imapp.services.accounts import erasure
from imapp.services.contacts import blocks, contact_requests
from imapp.services.groups import bans, group_members, groups, join_requests
from imapp.services.messaging import private_conversations
from imapp.services.sync import sync
from tests.services.groups import ask, group_row, make_group, present, row_of
from tests.support.people import at_once, create_users


@pytest.fixture
def people(app):
    return create_users("alice", "bob", "carol", "dave", "erin")


@pytest.fixture
def group_id(people):
    """Create a group: alice owns it, bob is an admin, carol a member; dave and erin are outside."""
    alice, bob, carol, _, _ = people
    made = make_group(alice, bob, carol)
    group_members.set_role(alice, made, bob, RoleIn(role="admin"))
    return made


@pytest.fixture
def careful(make_app):
    """Let only contacts add a user; return alice, her contact bob, and the strangers carol and dave."""
    app = make_app(group_invites="contacts")
    with app.app_context():
        alice, bob, *others = create_users("alice", "bob", "carol", "dave")
        contact_requests.send(alice, ContactRequestIn(user_id=bob))
        contact_requests.send(bob, ContactRequestIn(user_id=alice))
        yield app, alice, bob, *others


@pytest.fixture
def pushed(monkeypatch):
    """Record what is pushed as (name, room)."""
    seen = []
    monkeypatch.setattr(bus, "publish", lambda event, *rooms, **_: seen.extend((event.name, room) for room in rooms))
    return seen


def invitations(user_id):
    return [one.group_id for one in join_requests.list_mine(user_id, JoinRequestsQuery(status="invited")).items]


def state(user_id, kind, cursor=None):
    return [row["item"] for row in sync.sync(user_id, SyncIn(cursor=cursor))["state"] if row["kind"] == kind]


def is_member(group_id, user_id):
    row = row_of(group_id, user_id)
    return row is not None and row.left_at is None


# -- strangers -------------------------------------------------------------------------------------------------


def test_adding_a_stranger_creates_an_invitation_if_only_contacts_may_add(careful):
    _, alice, bob, carol, dave = careful

    made = groups.create(alice, GroupIn(name="g", member_ids=[bob, carol]))
    answer = group_members.add(alice, made.id, [dave])

    assert (made.invited, made.member_count) == ([carol], 2)
    assert (answer.added, answer.invited, answer.member_count) == ([], [dave], 2)
    assert invitations(carol) == invitations(dave) == [made.id]
    assert groups.get(carol, made.id).my_role is None


def test_private_messages_from_contacts_only_implies_the_same_for_groups(make_app):
    with make_app(private_messages="contacts").app_context():
        alice, bob = create_users("alice", "bob")

        assert groups.create(alice, GroupIn(name="g", member_ids=[bob])).invited == [bob]


@pytest.mark.parametrize("by", ["invitation", "join"])
def test_accepting_an_invitation_makes_the_user_a_member(careful, by):
    _, alice, bob, carol, _ = careful
    group_id = groups.create(alice, GroupIn(name="g", member_ids=[bob, carol])).id

    if by == "join":
        group_members.join(carol, group_id, JoinIn())
    else:
        join_requests.accept_invitation(carol, group_id)

    assert is_member(group_id, carol)
    assert group_row(group_id).member_count == present(group_id) == 3
    assert [one["status"] for one in state(carol, "join_request")] == ["accepted"]


def test_a_declined_invitation_cannot_be_repeated_for_days(careful):
    _, alice, _, carol, _ = careful
    group_id = groups.create(alice, GroupIn(name="g", member_ids=[carol])).id

    declined = join_requests.decline(carol, group_id)
    again = group_members.add(alice, group_id, [carol])

    assert declined.status == "declined"
    assert (again.added, again.invited) == ([], [])
    with pytest.raises(NotFoundError):
        groups.get(carol, group_id)
    with pytest.raises(RequestHandledError):
        join_requests.accept_invitation(carol, group_id)


def test_an_invitation_is_pushed_and_synced_to_both_sides(careful, pushed):
    _, alice, bob, carol, _ = careful
    group_id = groups.create(alice, GroupIn(name="g", member_ids=[bob])).id
    cursors = {user_id: sync.sync(user_id, SyncIn())["cursor"] for user_id in (alice, bob, carol)}
    pushed.clear()

    group_members.add(alice, group_id, [carol])

    assert set(pushed) == {("join_request_created", f"user:{user_id}") for user_id in (alice, carol)}
    assert [one["status"] for one in state(carol, "join_request", cursors[carol])] == ["invited"]
    [seen] = state(alice, "group_join_requests", cursors[alice])
    assert (seen["items"], [one["user_id"] for one in seen["invited"]]) == ([], [carol])
    assert sync.sync(bob, SyncIn(cursor=cursors[bob]))["state"] == []


def test_accepting_a_request_admits_an_asking_stranger_and_invites_a_proposed_one(careful):
    _, alice, bob, carol, dave = careful
    group_id = make_group(alice, bob)
    ask(carol, group_id)
    group_members.add(bob, group_id, [dave])

    accepted = [join_requests.accept(alice, group_id, user_id).status for user_id in (carol, dave)]

    assert accepted == ["accepted", "invited"]
    assert (is_member(group_id, carol), is_member(group_id, dave)) == (True, False)


def test_an_admin_withdraws_an_invitation(careful):
    _, alice, _, carol, _ = careful
    group_id = groups.create(alice, GroupIn(name="g", member_ids=[carol])).id

    assert join_requests.reject(alice, group_id, carol).status == "cancelled"
    assert invitations(carol) == []


# -- former and removed members ----------------------------------------------------------------------------------


def test_a_former_member_is_added_again_only_with_consent(people, group_id):
    alice, bob, carol, _, _ = people
    group_members.leave(carol, group_id)

    by_owner = group_members.add(alice, group_id, [carol])
    again = group_members.add(bob, group_id, [carol])

    assert (by_owner.added, by_owner.invited, again.invited) == ([], [carol], [carol])
    assert not is_member(group_id, carol)
    join_requests.accept_invitation(carol, group_id)
    assert is_member(group_id, carol)


def test_a_removed_user_is_banned_until_the_ban_is_lifted(people, pushed):
    alice, bob, carol, _, _ = people
    group_id = make_group(alice, bob, carol, join_policy="open")
    pushed.clear()

    group_members.remove(alice, group_id, carol)

    assert ("ban_created", f"user:{alice}") in pushed
    assert ("ban_created", f"user:{bob}") not in pushed
    assert [one["user_id"] for one in state(alice, "group_join_requests")[0]["bans"]] == [carol]
    for attempt in (partial(group_members.join, carol, group_id, JoinIn()), partial(ask, carol, group_id)):
        with pytest.raises(JoinBannedError):
            attempt()
    with pytest.raises(JoinBannedError):
        group_members.add(bob, group_id, [carol])
    bans.lift(alice, group_id, carol)
    assert ("ban_lifted", f"user:{alice}") in pushed
    assert state(alice, "group_join_requests")[0]["bans"] == []
    assert group_members.join(carol, group_id, JoinIn()).status == "member"


def test_adding_by_an_admin_lifts_a_ban(people, group_id):
    alice, bob, carol, _, _ = people
    group_members.remove(alice, group_id, carol)

    assert group_members.add(bob, group_id, [carol]).added == [carol]
    assert bans.list_bans(alice, group_id, BansQuery()).items == []


def test_only_owner_and_admins_see_and_lift_bans(people, group_id):
    alice, bob, carol, dave, _ = people
    group_members.add(alice, group_id, [dave])
    group_members.remove(alice, group_id, dave)

    assert [one.user_id for one in bans.list_bans(bob, group_id, BansQuery()).items] == [dave]
    for attempt in (partial(bans.list_bans, carol, group_id, BansQuery()), partial(bans.lift, carol, group_id, dave)):
        with pytest.raises(RoleRequiredError):
            attempt()
    with pytest.raises(NotFoundError):
        bans.lift(alice, group_id, carol)


def test_a_user_is_not_added_if_they_blocked_the_proposer_or_the_admin(people, group_id):
    alice, _, carol, dave, _ = people
    group_members.add(carol, group_id, [dave])
    blocks.block(dave, carol)

    with pytest.raises(BlockedError):
        join_requests.accept(alice, group_id, dave)


# -- ownership ---------------------------------------------------------------------------------------------------


def test_transferring_a_group_to_an_erased_user_fails(people, group_id):
    alice, bob, _, _, _ = people
    erasure.erase(bob, "anonymise", transfer_groups=False)

    with pytest.raises(NotFoundError):
        groups.transfer(alice, group_id, bob)


# -- limits ------------------------------------------------------------------------------------------------------


def test_group_actions_of_a_user_are_rate_limited_and_each_added_member_counts(make_app):
    rates = {
        "rate_members_added_per_user": "5/hour",
        "rate_groups_created_per_user": "3/hour",
        "rate_conversations_opened_per_user": "2/hour",
    }
    with make_app(rate_limits=True, **rates).app_context():
        alice, *others = create_users("alice", *(f"user{n}" for n in range(6)))
        group_id = groups.create(alice, GroupIn(name="g", member_ids=others[:3])).id
        group_members.add(alice, group_id, others[3:5])

        for attempt in (
            partial(group_members.add, alice, group_id, others[5:]),
            partial(groups.create, alice, GroupIn(name="g", member_ids=others[5:])),
        ):
            with pytest.raises(RateLimitedError):
                attempt()
        groups.create(alice, GroupIn(name="g"))
        with pytest.raises(RateLimitedError):
            groups.create(alice, GroupIn(name="g"))
        opened = [private_conversations.open_private(alice, other) for other in others[:2]]
        assert private_conversations.open_private(alice, others[0]) == (opened[0][0], False)
        with pytest.raises(RateLimitedError):
            private_conversations.open_private(alice, others[2])


def test_the_number_of_owned_groups_and_of_conversations_of_a_user_is_limited(make_app):
    with make_app(groups_owned_max=2, conversations_max=10).app_context():
        alice, bob, *others = create_users("alice", "bob", *(f"user{n}" for n in range(9)))
        owned = [groups.create(alice, GroupIn(name="g")).id for _ in range(2)]
        with pytest.raises(TooManyGroupsError):
            groups.create(alice, GroupIn(name="g"))
        groups.dissolve(alice, owned[0])
        groups.create(alice, GroupIn(name="g"))
        for other in others[:7]:
            private_conversations.open_private(alice, other)
        open_group = groups.create(bob, GroupIn(name="g", join_policy="open")).id

        for attempt in (
            partial(private_conversations.open_private, alice, bob),
            partial(group_members.join, alice, open_group, JoinIn()),
        ):
            with pytest.raises(TooManyConversationsError):
                attempt()
        assert group_members.add(bob, open_group, [alice]).added == [alice]


# -- races -------------------------------------------------------------------------------------------------------


def outcome(action):
    try:
        return action()
    except AppError as error:
        return error


def test_accepting_an_invitation_while_the_group_dissolves_has_one_outcome(app, people, group_id):
    alice, _, carol, _, _ = people
    group_members.leave(carol, group_id)
    group_members.add(alice, group_id, [carol])

    accepted, _ = at_once(
        app,
        lambda: outcome(lambda: join_requests.accept_invitation(carol, group_id)),
        lambda: outcome(lambda: groups.dissolve(alice, group_id)),
    )

    assert is_member(group_id, carol) != isinstance(accepted, RequestHandledError | GroupDissolvedError)
    assert group_row(group_id).member_count == present(group_id)


def test_simultaneously_accepted_invitations_do_not_exceed_the_limit(app, people):
    alice, *others = people
    group_id = make_group(alice, *others, member_limit=5)
    for user_id in others:
        group_members.leave(user_id, group_id)
    group_members.add(alice, group_id, others)
    groups.update_settings(alice, group_id, GroupPatch(member_limit=3))

    at_once(app, *(partial(outcome, partial(join_requests.accept_invitation, one, group_id)) for one in others))

    assert group_row(group_id).member_count == present(group_id) == 3
    waiting = join_requests.list_requests(alice, group_id, JoinRequestsQuery(status="invited")).items
    assert len(waiting) == 2


def test_lifting_a_ban_while_the_user_rejoins_has_one_outcome(app, people):
    alice, bob, *_ = people
    group_id = make_group(alice, bob, join_policy="open")
    group_members.remove(alice, group_id, bob)

    joined, _ = at_once(
        app,
        lambda: outcome(lambda: group_members.join(bob, group_id, JoinIn())),
        lambda: outcome(lambda: bans.lift(alice, group_id, bob)),
    )

    assert is_member(group_id, bob) != isinstance(joined, JoinBannedError)
    assert group_row(group_id).member_count == present(group_id)
    assert bans.list_bans(alice, group_id, BansQuery()).items == []
