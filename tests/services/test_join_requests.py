"""Requests to join a group by approval: asking, proposing, answering, cancelling."""

from functools import partial

import pytest
from sqlalchemy import event

from imapp.errors import (
    GroupDissolvedError,
    GroupFullError,
    NotAMemberError,
    NotFoundError,
    RequestHandledError,
    RoleRequiredError,
)
from imapp.extensions import db
from imapp.schemas.groups import GroupJoinRequests, GroupPatch, JoinRequestsQuery, RoleIn
from imapp.schemas.sync import SyncIn, SyncOut
from imapp.services.groups import group_members, groups, join_requests
from imapp.services.sync import sync
from tests.services.groups import ask, changes, group_row, make_group, present, row_of
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


def waiting(reader, group_id, **query):
    return join_requests.list_requests(reader, group_id, JoinRequestsQuery(**query)).items


def test_a_request_is_pending_and_changes_nothing_in_the_group(people, group_id):
    _, bob, _, dave, _ = people
    before = changes(group_id)

    answer = ask(dave, group_id, "Let me in")

    assert (answer.status, answer.request.status, answer.group) == ("pending", "pending", None)
    [request] = waiting(bob, group_id)
    assert (request.user.id, request.message, request.inviter_id, request.group_name) == (
        dave, "Let me in", None, "Hikers",
    )  # fmt: skip
    assert changes(group_id) == before
    assert row_of(group_id, dave) is None


def test_a_second_request_keeps_the_first_one(people, group_id):
    _, bob, _, dave, _ = people
    ask(dave, group_id, "first")

    again = ask(dave, group_id, "second")

    assert again.request.message == "first"
    assert len(waiting(bob, group_id)) == 1


def test_accepting_a_request_makes_the_user_a_member(people, group_id):
    _, bob, _, dave, _ = people
    ask(dave, group_id)

    accepted = join_requests.accept(bob, group_id, dave)

    assert (accepted.status, accepted.handled_by) == ("accepted", bob)
    assert row_of(group_id, dave).left_at is None
    assert group_row(group_id).member_count == present(group_id) == 4
    assert waiting(bob, group_id) == []


def test_a_rejected_user_may_ask_again_and_the_row_is_reused(people, group_id):
    _, bob, _, dave, _ = people
    ask(dave, group_id, "first")
    assert join_requests.reject(bob, group_id, dave).status == "rejected"

    again = ask(dave, group_id, "second")

    assert (again.request.status, again.request.handled_at, again.request.handled_by) == ("pending", None, None)
    [request] = waiting(bob, group_id)
    assert request.message == "second"


def test_a_former_member_can_ask_again(people, group_id):
    alice, _, carol, _, _ = people
    group_members.leave(carol, group_id)

    ask(carol, group_id)
    join_requests.accept(alice, group_id, carol)

    assert row_of(group_id, carol).left_at is None


def test_the_asking_user_can_cancel_a_request(people, group_id):
    _, bob, _, dave, erin = people
    ask(dave, group_id)

    with pytest.raises(NotFoundError):
        join_requests.cancel(erin, group_id)
    assert join_requests.cancel(dave, group_id).status == "cancelled"
    with pytest.raises(RequestHandledError):
        join_requests.accept(bob, group_id, dave)


@pytest.mark.parametrize("answer", ["accept", "reject"])
def test_only_owner_and_admins_answer_requests(people, group_id, answer):
    _, _, carol, dave, erin = people
    ask(dave, group_id)

    for actor, error in ((carol, RoleRequiredError), (dave, NotAMemberError), (erin, NotAMemberError)):
        with pytest.raises(error):
            getattr(join_requests, answer)(actor, group_id, dave)


def test_only_owner_and_admins_list_requests(people, group_id):
    _, _, carol, dave, _ = people

    with pytest.raises(RoleRequiredError):
        waiting(carol, group_id)
    with pytest.raises(NotAMemberError):
        waiting(dave, group_id)


def test_answering_a_request_that_was_never_made_fails(people, group_id):
    with pytest.raises(NotFoundError):
        join_requests.accept(people[0], group_id, people[3])


def test_accepting_into_a_full_group_fails_and_the_request_stays_pending(people, group_id):
    alice, _, _, dave, _ = people
    ask(dave, group_id)
    groups.update_settings(alice, group_id, GroupPatch(member_limit=3))

    with pytest.raises(GroupFullError):
        join_requests.accept(alice, group_id, dave)

    assert [request.user_id for request in waiting(alice, group_id)] == [dave]


def test_a_dissolved_group_answers_no_request(people, group_id):
    alice, _, _, dave, _ = people
    ask(dave, group_id)
    groups.dissolve(alice, group_id)

    with pytest.raises(GroupDissolvedError):
        join_requests.accept(alice, group_id, dave)
    with pytest.raises(RequestHandledError):
        join_requests.cancel(dave, group_id)


def test_a_proposal_skips_members_and_users_with_a_pending_request(people, group_id):
    _, bob, carol, dave, erin = people
    ask(dave, group_id, "me")

    answer = group_members.add(carol, group_id, [bob, dave, erin])

    assert (answer.added, answer.requested) == ([], [erin])
    assert {request.user_id: request.inviter_id for request in waiting(bob, group_id)} == {dave: None, erin: carol}


def test_adding_a_user_by_an_admin_ends_their_pending_request(people, group_id):
    _, bob, _, dave, _ = people
    ask(dave, group_id)

    group_members.add(bob, group_id, [dave])

    assert waiting(bob, group_id) == []
    with pytest.raises(RequestHandledError):
        join_requests.accept(bob, group_id, dave)


def test_the_number_of_statements_does_not_depend_on_the_number_of_requests(people, group_id):
    alice, _, carol, *_ = people
    few, many = create_users(*(f"few{n}" for n in range(2))), create_users(*(f"many{n}" for n in range(20)))
    statements = []

    def cost(action, *args):
        statements.clear()
        action(*args)
        return len(statements)

    event.listen(db.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    proposed = [cost(group_members.add, carol, group_id, users) for users in (few, many)]
    added = [cost(group_members.add, alice, group_id, users) for users in (few, many)]
    other = make_group(alice, carol)
    group_members.add(carol, other, few)
    settled_few = cost(groups.dissolve, alice, other)
    other = make_group(alice, carol)
    group_members.add(carol, other, many)
    settled_many = cost(groups.dissolve, alice, other)

    assert proposed[0] == proposed[1]
    assert added[0] == added[1]
    assert settled_few == settled_many


def test_requests_are_listed_oldest_first_in_pages(people, group_id):
    alice, _, _, dave, erin = people
    more = create_users("frank", "grace")
    for user_id in (erin, *more, dave):
        ask(user_id, group_id)

    first = join_requests.list_requests(alice, group_id, JoinRequestsQuery(limit=3))
    rest = join_requests.list_requests(alice, group_id, JoinRequestsQuery(limit=3, cursor=first.next_cursor))

    found = first.items + rest.items
    assert sorted(request.user_id for request in found) == sorted([dave, erin, *more])
    assert found == sorted(found, key=lambda request: (request.created_at, request.user_id))
    assert rest.next_cursor is None


def test_users_list_only_their_own_requests(people, group_id):
    alice, _, _, dave, erin = people
    other = make_group(alice)
    for target in (group_id, other):
        ask(dave, target)

    mine = join_requests.list_mine(dave, JoinRequestsQuery(limit=1))
    rest = join_requests.list_mine(dave, JoinRequestsQuery(limit=1, cursor=mine.next_cursor))

    assert {request.group_id for request in mine.items + rest.items} == {group_id, other}
    assert join_requests.list_mine(erin, JoinRequestsQuery()).items == []


def test_a_request_answered_twice_at_once_is_answered_once(app, people, group_id):
    alice, bob, _, dave, _ = people
    ask(dave, group_id)

    outcomes = at_once(
        app,
        partial(join_requests.accept, alice, group_id, dave),
        partial(join_requests.reject, bob, group_id, dave),
        partial(join_requests.cancel, dave, group_id),
    )

    assert sum(isinstance(outcome, RequestHandledError) for outcome in outcomes) == 2
    assert group_row(group_id).member_count == present(group_id)


# -- sync --------------------------------------------------------------------------------------------------------


def told(user_id, cursor):
    """Return the join requests that `sync` gives after the cursor: kind -> items, the latest last."""
    answer = sync.sync(user_id, SyncIn(cursor=cursor))
    SyncOut.model_validate(answer)
    found = {}
    for row in answer["state"]:
        if "join_request" in row["kind"]:
            found.setdefault(row["kind"], []).append(row["item"])
    return found


def cursor_of(user_id):
    return sync.sync(user_id, SyncIn())["cursor"]


def as_listed(reader, group_id):
    """Return the first page of the list in the form that `sync` gives."""
    page = join_requests.list_requests(reader, group_id, JoinRequestsQuery())
    return [GroupJoinRequests(group_id=group_id, items=page.items, next_cursor=page.next_cursor).wire()]


def test_owner_and_admins_get_requests_by_sync_after_being_offline(people, group_id):
    alice, bob, carol, dave, erin = people
    cursors = {user_id: cursor_of(user_id) for user_id in people}
    ask(dave, group_id, "Let me in")
    ask(erin, group_id)

    asked = {user_id: told(user_id, cursors[user_id]) for user_id in people}
    join_requests.reject(bob, group_id, dave)
    answered = {user_id: told(user_id, cursors[user_id]) for user_id in people}

    assert len(asked[bob]["group_join_requests"][0]["items"]) == 2
    assert answered[alice] == answered[bob] == {"group_join_requests": as_listed(bob, group_id)}
    assert len(answered[bob]["group_join_requests"][0]["items"]) == 1
    assert asked[carol] == answered[carol] == {}
    assert asked[dave]["join_request"][0]["status"] == "pending"
    assert answered[dave]["join_request"][0]["status"] == "rejected"


def test_a_new_device_gets_all_pending_requests(people, group_id):
    _, bob, _, dave, _ = people
    ask(dave, group_id)

    assert told(bob, None) == {"group_join_requests": as_listed(bob, group_id)}


def test_a_new_admin_gets_the_requests_and_a_former_admin_an_empty_list(people, group_id):
    alice, bob, carol, dave, _ = people
    ask(dave, group_id)
    cursor = cursor_of(carol)

    group_members.set_role(alice, group_id, carol, RoleIn(role="admin"))
    promoted = told(carol, cursor)
    group_members.set_role(alice, group_id, carol, RoleIn(role="member"))
    demoted = told(carol, cursor)
    bobs = cursor_of(bob)
    group_members.leave(bob, group_id)

    nothing = {"group_join_requests": [GroupJoinRequests(group_id=group_id).wire()]}
    assert promoted == {"group_join_requests": as_listed(alice, group_id)}
    assert demoted == told(bob, bobs) == nothing


def test_a_new_owner_gets_the_requests_and_dissolving_the_group_empties_the_list(people, group_id):
    alice, _, carol, dave, _ = people
    ask(dave, group_id)
    cursor = cursor_of(carol)

    groups.transfer(alice, group_id, carol)
    assert told(carol, cursor) == {"group_join_requests": as_listed(carol, group_id)}
    groups.dissolve(carol, group_id)

    assert told(carol, cursor)["group_join_requests"][0]["items"] == []
    assert told(dave, None)["join_request"][0]["status"] == "cancelled"


def test_sync_gives_only_the_first_page_of_many_requests(people, group_id):
    alice, _, carol, *_ = people
    group_members.add(carol, group_id, create_users(*(f"user{number}" for number in range(60))))

    [shown] = told(alice, None)["group_join_requests"]

    assert [shown] == as_listed(alice, group_id)
    assert (len(shown["items"]), shown["next_cursor"] is None) == (50, False)
