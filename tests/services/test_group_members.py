"""Group members: adding, joining, leaving, removing, roles, muting, and the limits of each role."""

import time
from datetime import timedelta
from functools import partial

import pytest

from imapp.clock import now
from imapp.errors import (
    BlockedError,
    GroupFullError,
    InvalidInputError,
    JoinNotAllowedError,
    MutedError,
    NotAMemberError,
    NotFoundError,
    OwnerMustTransferError,
    RoleRequiredError,
)
from imapp.extensions import db
from imapp.models.conversations import Conversation
from imapp.schemas.base import rfc3339
from imapp.schemas.groups import GroupPatch, JoinIn, MembersQuery, RoleIn
from imapp.schemas.messages import EditMessage, HistoryQuery, ListQuery
from imapp.schemas.users import UserOut
from imapp.services.contacts import blocks
from imapp.services.groups import group_links, group_members, groups
from imapp.services.messaging import messages, reactions
from tests.services.groups import ask, changes, group_row, lines, make_group, present, row_of, say, version_of
from tests.support.people import at_once, create_users

TOMORROW = timedelta(days=1)


@pytest.fixture
def people(app):
    return create_users("alice", "bob", "carol", "dave", "erin")


@pytest.fixture
def group_id(people):
    """Create a group: alice owns it, bob is an admin, carol and erin are members; dave is outside."""
    alice, bob, carol, _, erin = people
    made = make_group(alice, bob, carol, erin)
    group_members.set_role(alice, made, bob, RoleIn(role="admin"))
    return made


@pytest.fixture
def policy(people, group_id):
    """Provide a function that sets the group's join policy."""
    return lambda value: groups.update_settings(people[0], group_id, GroupPatch(join_policy=value))


# -- adding ----------------------------------------------------------------------------------------------------


def test_an_added_member_starts_with_everything_read_and_may_read_the_history(people, group_id):
    alice, _, _, dave, _ = people
    said = say(alice, group_id)
    before = version_of(dave)

    answer = group_members.add(alice, group_id, [dave])

    assert (answer.added, answer.requested, answer.member_count) == ([dave], [], 5)
    row = row_of(group_id, dave)
    last_seq = db.session.get(Conversation, group_id).last_seq
    assert (row.role, row.left_at, row.read_seq) == ("member", None, last_seq)
    assert row.version == version_of(dave) == before + 1
    assert said["id"] in [message.id for message in messages.history(dave, group_id, HistoryQuery()).items]
    assert lines(dave, group_id)[-1] == {"event": "members_added", "actor_id": alice, "user_ids": [dave]}
    [_, (number, event, payload), (last, _, _)] = changes(group_id)[-3:]
    assert (event, last) == ("members_added", number + 1)
    assert (payload["user_ids"], payload["actor_id"], payload["member_count"]) == ([dave], alice, 5)


def test_adding_a_member_again_changes_nothing(people, group_id):
    before = changes(group_id)

    answer = group_members.add(people[0], group_id, [people[1]])

    assert (answer.added, answer.member_count) == ([], 4)
    assert changes(group_id) == before


@pytest.mark.parametrize(
    ("kind", "actor", "outcome"),
    [
        ("open", "carol", "added"),
        ("approval", "carol", "requested"),
        ("approval", "bob", "added"),
        ("invitation", "carol", "refused"),
        ("invitation", "bob", "added"),
        ("open", "dave", "outsider"),
    ],
)
def test_the_policy_decides_which_roles_may_add_members(people, group_id, kind, actor, outcome):
    names = dict(zip(("alice", "bob", "carol", "dave", "erin"), people, strict=True))
    [stranger] = create_users("frank")
    groups.update_settings(people[0], group_id, GroupPatch(join_policy=kind))

    add = partial(group_members.add, names[actor], group_id, [stranger])

    if outcome == "refused":
        with pytest.raises(RoleRequiredError):
            add()
    elif outcome == "outsider":
        with pytest.raises(NotAMemberError):
            add()
    else:
        assert getattr(add(), outcome) == [stranger]
    assert (row_of(group_id, stranger) is not None) == (outcome == "added")


def test_adding_a_user_fails_if_they_blocked_the_inviter(people, group_id):
    alice, bob, _, dave, _ = people
    blocks.block(dave, alice)

    with pytest.raises(BlockedError):
        group_members.add(alice, group_id, [dave])
    assert group_members.add(bob, group_id, [dave]).added == [dave]


def test_an_unknown_user_is_not_added(people, group_id):
    with pytest.raises(NotFoundError):
        group_members.add(people[0], group_id, [people[3], 999_999_999])
    assert group_row(group_id).member_count == present(group_id) == 4


def test_adding_more_users_than_fit_adds_none_of_them(people, group_id):
    alice, _, _, dave, _ = people
    [frank] = create_users("frank")
    groups.update_settings(alice, group_id, GroupPatch(member_limit=5))

    with pytest.raises(GroupFullError):
        group_members.add(alice, group_id, [dave, frank])
    assert group_members.add(alice, group_id, [dave]).added == [dave]
    with pytest.raises(GroupFullError):
        group_members.add(alice, group_id, [frank])


# -- joining and leaving ---------------------------------------------------------------------------------------


def test_anybody_may_join_an_open_group_and_joining_twice_has_no_effect(people, group_id, policy):
    *_, dave, _ = people
    policy("open")

    first = group_members.join(dave, group_id, JoinIn())
    again = group_members.join(dave, group_id, JoinIn())

    assert (first.status, again.status) == ("member", "member")
    assert first.group.member_count == again.group.member_count == 5
    assert say(dave, group_id)["sender_id"] == dave


def test_a_group_by_invitation_cannot_be_joined(people, group_id, policy):
    policy("invitation")

    with pytest.raises(JoinNotAllowedError):
        ask(people[3], group_id)
    with pytest.raises(NotFoundError):
        group_members.join(people[3], group_id, JoinIn())


def test_asking_to_join_needs_the_groups_current_link(people, group_id, policy):
    alice, _, _, dave, _ = people
    [frank] = create_users("frank")
    policy("approval")
    old = group_links.renew(alice, group_id).token
    token = group_links.renew(alice, group_id).token

    for wrong in (None, old, "x"):
        with pytest.raises(NotFoundError):
            group_members.join(dave, group_id, JoinIn(token=wrong))
        with pytest.raises(NotFoundError):
            groups.get(dave, group_id, wrong)
    seen = groups.get(dave, group_id, token)
    answer = group_members.join(dave, group_id, JoinIn(token=token))

    assert (seen.name, answer.status) == ("Hikers", "pending")
    group_links.revoke(alice, group_id)
    with pytest.raises(NotFoundError):
        group_members.join(frank, group_id, JoinIn(token=token))


def test_joining_an_unknown_group_fails(people):
    with pytest.raises(NotFoundError):
        group_members.join(people[0], 999_999, JoinIn())


def test_a_former_member_cannot_read_or_write(people, group_id):
    alice, _, carol, _, _ = people
    said = say(carol, group_id)
    before = version_of(carol)

    group_members.leave(carol, group_id)

    assert (group_row(group_id).member_count, present(group_id)) == (3, 3)
    assert row_of(group_id, carol).version == version_of(carol) == before + 1
    assert lines(alice, group_id)[-1] == {
        "event": "member_removed", "actor_id": carol, "user_id": carol, "reason": "left",
    }  # fmt: skip
    for attempt in (
        lambda: messages.history(carol, group_id, HistoryQuery()),
        lambda: messages.get(carol, said["id"]),
        lambda: messages.pins(carol, group_id, ListQuery()),
        lambda: say(carol, group_id),
        lambda: messages.edit(carol, EditMessage(message_id=said["id"], content={"text": "x"})),
        lambda: messages.recall(carol, said["id"]),
        lambda: reactions.react(carol, said["id"], "👍", remove=False),
        lambda: messages.set_pin(carol, said["id"], pin=True),
        lambda: group_members.list_members(carol, group_id, MembersQuery()),
        lambda: group_members.leave(carol, group_id),
    ):
        with pytest.raises(NotAMemberError):
            attempt()


def test_a_returning_member_is_a_plain_member_with_old_settings_and_mute(people, group_id, policy):
    alice, bob, _, _, _ = people
    until = now() + TOMORROW
    group_members.mute(alice, group_id, bob, until)
    group_members.leave(bob, group_id)
    say(alice, group_id)
    policy("open")

    group_members.join(bob, group_id, JoinIn())

    row = row_of(group_id, bob)
    assert (row.role, row.left_at, row.muted_until) == ("member", None, until)
    assert row.read_seq == db.session.get(Conversation, group_id).last_seq


def test_the_owner_cannot_leave_before_transferring_the_group(people, group_id):
    alice, bob, _, _, _ = people

    with pytest.raises(OwnerMustTransferError):
        group_members.leave(alice, group_id)
    with pytest.raises(OwnerMustTransferError):
        group_members.remove(alice, group_id, alice)
    groups.transfer(alice, group_id, bob)
    group_members.leave(alice, group_id)

    assert groups.get(bob, group_id).my_role == "owner"


def test_removing_oneself_is_leaving(people, group_id):
    alice, _, carol, _, _ = people

    group_members.remove(carol, group_id, carol)

    assert lines(alice, group_id)[-1]["reason"] == "left"


# -- roles -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "case",
    [
        ("alice", "bob", None), ("alice", "carol", None), ("bob", "carol", None),
        ("bob", "alice", RoleRequiredError), ("carol", "alice", RoleRequiredError), ("carol", "bob", RoleRequiredError),
        ("carol", "erin", RoleRequiredError), ("dave", "carol", NotAMemberError), ("alice", "dave", NotFoundError),
    ],
)  # fmt: skip
@pytest.mark.parametrize("action", ["remove", "mute"])
def test_only_a_higher_role_removes_and_mutes_a_lower_one(people, group_id, action, case):
    actor, target, error = case
    names = dict(zip(("alice", "bob", "carol", "dave", "erin"), people, strict=True))
    actor_id, target_id = names[actor], names[target]
    before = changes(group_id)

    def act():
        if action == "remove":
            group_members.remove(actor_id, group_id, target_id)
        else:
            group_members.mute(actor_id, group_id, target_id, now() + TOMORROW)

    if error is None:
        act()
        assert len(changes(group_id)) == len(before) + 2
    else:
        with pytest.raises(error):
            act()
        assert changes(group_id) == before


def test_admins_cannot_remove_each_other(people, group_id):
    alice, bob, carol, _, _ = people
    group_members.set_role(alice, group_id, carol, RoleIn(role="admin"))

    with pytest.raises(RoleRequiredError):
        group_members.remove(bob, group_id, carol)


def test_a_removal_is_in_the_members_own_state_and_in_a_line_of_the_group(people, group_id):
    _, bob, carol, _, _ = people
    before = version_of(carol)

    group_members.remove(bob, group_id, carol)

    assert row_of(group_id, carol).left_at is not None
    assert row_of(group_id, carol).version == version_of(carol) == before + 1
    assert lines(bob, group_id)[-1] == {
        "event": "member_removed", "actor_id": bob, "user_id": carol, "reason": "kicked",
    }  # fmt: skip
    with pytest.raises(NotFoundError):
        group_members.remove(bob, group_id, carol)


def test_only_the_owner_makes_admins(people, group_id):
    _, bob, carol, dave, _ = people

    for actor, error in ((bob, RoleRequiredError), (carol, RoleRequiredError), (dave, NotAMemberError)):
        with pytest.raises(error):
            group_members.set_role(actor, group_id, carol, RoleIn(role="admin"))


def test_an_admin_becomes_a_member_again(people, group_id):
    alice, bob, _, _, _ = people
    before = version_of(bob)

    group_members.set_role(alice, group_id, bob, RoleIn(role="member"))
    group_members.set_role(alice, group_id, bob, RoleIn(role="member"))

    assert row_of(group_id, bob).role == "member"
    assert version_of(bob) == before + 1
    with pytest.raises(RoleRequiredError):
        groups.update_settings(bob, group_id, GroupPatch(name="Mine"))


def test_the_owners_role_is_transferred_not_set(people, group_id):
    with pytest.raises(OwnerMustTransferError):
        group_members.set_role(people[0], group_id, people[0], RoleIn(role="member"))


def test_setting_the_role_of_a_nonmember_fails(people, group_id):
    with pytest.raises(NotFoundError):
        group_members.set_role(people[0], group_id, people[3], RoleIn(role="admin"))


# -- muting ----------------------------------------------------------------------------------------------------


def test_a_muted_member_reads_but_cannot_send_edit_react_or_pin(people, group_id):
    alice, bob, carol, _, _ = people
    mine, theirs = say(carol, group_id), say(alice, group_id)
    until = now() + TOMORROW

    group_members.mute(bob, group_id, carol, until)

    assert messages.history(carol, group_id, HistoryQuery()).items
    assert lines(carol, group_id)[-1] == {
        "event": "member_updated", "actor_id": bob, "user_id": carol, "muted_until": rfc3339(until),
    }  # fmt: skip
    for attempt in (
        lambda: say(carol, group_id),
        lambda: messages.edit(carol, EditMessage(message_id=mine["id"], content={"text": "x"})),
        lambda: reactions.react(carol, theirs["id"], "👍", remove=False),
    ):
        with pytest.raises(MutedError) as refusal:
            attempt()
        assert 86_000 < refusal.value.retry_after <= 86_400


def test_a_muted_admin_cannot_send_or_pin(people, group_id):
    alice, bob, _, _, _ = people
    said = say(alice, group_id)

    group_members.mute(alice, group_id, bob, now() + TOMORROW)

    with pytest.raises(MutedError):
        messages.set_pin(bob, said["id"], pin=True)


def test_a_mute_expires_or_is_lifted(people, group_id):
    alice, _, carol, _, erin = people
    group_members.mute(alice, group_id, carol, now() + TOMORROW)
    group_members.mute(alice, group_id, erin, now() + timedelta(milliseconds=300))

    group_members.unmute(alice, group_id, carol)

    assert row_of(group_id, carol).muted_until is None
    assert say(carol, group_id)["sender_id"] == carol
    while now() <= row_of(group_id, erin).muted_until:
        time.sleep(0.05)
    assert say(erin, group_id)["sender_id"] == erin


def test_muting_until_a_past_time_fails(people, group_id):
    with pytest.raises(InvalidInputError):
        group_members.mute(people[0], group_id, people[2], now())


def test_a_muted_member_may_send_after_becoming_owner(people, group_id):
    alice, _, carol, _, _ = people
    group_members.mute(alice, group_id, carol, now() + TOMORROW)

    groups.transfer(alice, group_id, carol)

    assert say(carol, group_id)["sender_id"] == carol


# -- the list --------------------------------------------------------------------------------------------------


def test_members_are_listed_in_pages_with_public_profiles_only(people, group_id):
    alice, bob, carol, _, erin = people

    first = group_members.list_members(carol, group_id, MembersQuery(limit=3))
    rest = group_members.list_members(carol, group_id, MembersQuery(limit=3, cursor=int(first.next_cursor)))

    assert [item.user_id for item in first.items + rest.items] == sorted([alice, bob, carol, erin])
    assert rest.next_cursor is None
    assert set(first.items[0].user.wire()) == set(UserOut.model_fields)


def test_members_are_listed_by_role(people, group_id):
    admins = group_members.list_members(people[2], group_id, MembersQuery(role="admin"))

    assert [item.user_id for item in admins.items] == [people[1]]


def test_outsiders_cannot_list_members(people, group_id):
    with pytest.raises(NotAMemberError):
        group_members.list_members(people[3], group_id, MembersQuery())


# -- races -----------------------------------------------------------------------------------------------------


def test_fifty_simultaneous_joins_fill_exactly_ten_places(make_app):
    app = make_app(db_pool_size=60)
    with app.app_context():
        owner, *many = create_users("owner", *(f"guest{number}" for number in range(50)))
        group_id = make_group(owner, join_policy="open", member_limit=11)

        outcomes = at_once(app, *(partial(group_members.join, guest, group_id, JoinIn()) for guest in many))

        assert sum(isinstance(outcome, GroupFullError) for outcome in outcomes) == 40
        assert sum(getattr(outcome, "status", None) == "member" for outcome in outcomes) == 10
        assert group_row(group_id).member_count == present(group_id) == 11
        numbers = [number for number, _, _ in changes(group_id)]
        assert numbers == list(range(1, len(numbers) + 1))
        counts = [payload["member_count"] for _, event, payload in changes(group_id) if event == "members_added"]
        assert counts == list(range(2, 12))


def test_joining_leaving_and_sending_at_once_keeps_count_and_numbers_consistent(make_app):
    app = make_app(db_pool_size=60)
    with app.app_context():
        owner, *many = create_users("owner", *(f"guest{number}" for number in range(16)))
        group_id = make_group(owner, *many[:8], join_policy="open")

        outcomes = at_once(
            app,
            *(partial(group_members.leave, guest, group_id) for guest in many[:4]),
            *(partial(group_members.remove, owner, group_id, guest) for guest in many[:8]),
            *(partial(group_members.join, guest, group_id, JoinIn()) for guest in many[8:]),
            *(partial(say, owner, group_id) for _ in range(8)),
            *(partial(groups.update_settings, owner, group_id, GroupPatch(name=f"n{n}")) for n in range(8)),
        )

        failed = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
        assert all(isinstance(error, (NotAMemberError, NotFoundError)) for error in failed), failed
        assert group_row(group_id).member_count == present(group_id) == 9
        numbers = [number for number, _, _ in changes(group_id)]
        assert numbers == list(range(1, len(numbers) + 1))
        seqs = [message.seq for message in messages.history(owner, group_id, HistoryQuery(after=0, limit=200)).items]
        assert seqs == list(range(1, len(seqs) + 1))
