"""Contact requests: the rights to send, answer and cancel them, and the outcome of races."""

from functools import partial

import pytest

from imapp.errors import (
    AlreadyContactsError,
    BlockedError,
    ForbiddenError,
    NotFoundError,
    RateLimitedError,
    RequestHandledError,
)
from imapp.schemas.contacts import ContactRequestIn, ContactRequestsQuery, ContactsQuery
from imapp.services.contacts import blocks, contact_requests, contacts
from tests.support.people import at_once, create_users

#: How often each race is run. The outcome must be consistent whichever side wins.
RACES = 6


@pytest.fixture
def people(app):
    return create_users("alice", "bob", "carol")


def ask(user_id, other_id, message=""):
    return contact_requests.send(user_id, ContactRequestIn(user_id=other_id, message=message))[0]


def listed(user_id, direction="incoming", status=None):
    query = ContactRequestsQuery(direction=direction, status=status)
    return contact_requests.list_requests(user_id, query).items


def contact_ids(user_id):
    return [item.user_id for item in contacts.list_contacts(user_id, ContactsQuery()).items]


def befriend(user_id, other_id):
    contact_requests.accept(other_id, ask(user_id, other_id).id)


def test_a_pending_request_is_listed_on_both_sides(people):
    alice, bob, _ = people

    sent, is_new = contact_requests.send(alice, ContactRequestIn(user_id=bob, message="It's me"))

    assert is_new
    assert (sent.direction, sent.status, sent.message, sent.user.id) == ("outgoing", "pending", "It's me", bob)
    assert listed(alice, "outgoing") == [sent]
    [received] = listed(bob, "incoming")
    assert (received.id, received.direction, received.user.id) == (sent.id, "incoming", alice)
    assert listed(alice, "incoming") == listed(bob, "outgoing") == []
    assert contact_ids(alice) == contact_ids(bob) == []


def test_accepting_a_request_makes_both_users_contacts(people):
    alice, bob, _ = people
    request = ask(alice, bob)

    accepted = contact_requests.accept(bob, request.id)

    assert (accepted.status, accepted.direction) == ("accepted", "incoming")
    assert accepted.handled_at is not None
    assert (contact_ids(alice), contact_ids(bob)) == ([bob], [alice])
    assert listed(alice, "outgoing")[0].status == "accepted"


def test_rejecting_a_request_makes_no_contact(people):
    alice, bob, _ = people

    rejected = contact_requests.reject(bob, ask(alice, bob).id)

    assert rejected.status == "rejected"
    assert contact_ids(alice) == contact_ids(bob) == []


@pytest.mark.parametrize("end", ["rejected", "cancelled", "removed"])
def test_a_new_request_after_an_ended_one_uses_the_same_row(people, end):
    alice, bob, _ = people
    first = ask(alice, bob, "first")
    if end == "rejected":
        contact_requests.reject(bob, first.id)
    elif end == "cancelled":
        contact_requests.cancel(alice, first.id)
    else:
        contact_requests.accept(bob, first.id)
        contacts.remove(bob, alice)

    again, is_new = contact_requests.send(alice, ContactRequestIn(user_id=bob, message="again"))

    assert is_new
    assert (again.id, again.status, again.message, again.handled_at) == (first.id, "pending", "again", None)
    assert again.version > first.version
    contact_requests.accept(bob, again.id)
    assert (contact_ids(alice), contact_ids(bob)) == ([bob], [alice])


def test_crossing_requests_become_a_friendship(people):
    alice, bob, _ = people
    first = ask(alice, bob)

    answer, is_new = contact_requests.send(bob, ContactRequestIn(user_id=alice))

    assert not is_new
    assert (answer.id, answer.direction, answer.status) == (first.id, "incoming", "accepted")
    assert (contact_ids(alice), contact_ids(bob)) == ([bob], [alice])
    assert listed(bob, "outgoing") == []


def test_sending_a_request_twice_changes_nothing(people):
    alice, bob, _ = people
    first = ask(alice, bob, "first")

    second, is_new = contact_requests.send(alice, ContactRequestIn(user_id=bob, message="second"))

    assert not is_new
    assert second == first


def test_a_request_to_oneself_fails(people):
    alice, _, _ = people

    with pytest.raises(ForbiddenError):
        ask(alice, alice)


def test_a_request_to_an_unknown_user_fails(people):
    with pytest.raises(NotFoundError):
        ask(people[0], max(people) + 1)


def test_a_request_to_a_contact_fails(people):
    alice, bob, _ = people
    befriend(alice, bob)

    for one, other in ((alice, bob), (bob, alice)):
        with pytest.raises(AlreadyContactsError):
            ask(one, other)


def test_a_block_prevents_requests_in_both_directions(people):
    alice, bob, _ = people
    blocks.block(alice, bob)

    for one, other in ((alice, bob), (bob, alice)):
        with pytest.raises(BlockedError):
            ask(one, other)
    assert listed(alice) == listed(bob) == []


def test_a_pending_request_cannot_be_accepted_during_a_block(people):
    alice, bob, _ = people
    request = ask(alice, bob)
    blocks.block(alice, bob)

    with pytest.raises(BlockedError):
        contact_requests.accept(bob, request.id)

    blocks.unblock(alice, bob)
    assert contact_requests.accept(bob, request.id).status == "accepted"


@pytest.mark.parametrize("end", [contact_requests.reject, contact_requests.cancel])
def test_a_pending_request_can_be_rejected_or_cancelled_during_a_block(people, end):
    alice, bob, _ = people
    request = ask(alice, bob)
    blocks.block(bob, alice)

    ended = end(alice if end is contact_requests.cancel else bob, request.id)

    assert ended.status in {"rejected", "cancelled"}


def test_a_handled_request_cannot_be_handled_again(people):
    alice, bob, carol = people
    ends = {
        contact_requests.accept: ask(bob, alice),
        contact_requests.reject: ask(carol, alice),
        contact_requests.cancel: ask(bob, carol),
    }
    for end, request in ends.items():
        end(bob if end is contact_requests.cancel else alice, request.id)

    for request in ends.values():
        sender, receiver = request.from_user_id, request.to_user_id
        for action, user_id in (
            (contact_requests.accept, receiver),
            (contact_requests.reject, receiver),
            (contact_requests.cancel, sender),
        ):
            with pytest.raises(RequestHandledError):
                action(user_id, request.id)


def test_only_the_receiver_answers_and_only_the_sender_cancels(people):
    alice, bob, carol = people
    request = ask(alice, bob)
    forbidden = [
        (contact_requests.accept, alice),
        (contact_requests.accept, carol),
        (contact_requests.reject, alice),
        (contact_requests.reject, carol),
        (contact_requests.cancel, bob),
        (contact_requests.cancel, carol),
    ]

    for action, user_id in forbidden:
        with pytest.raises(NotFoundError) as refused:
            action(user_id, request.id)
        with pytest.raises(NotFoundError) as unknown:
            action(user_id, request.id + 1)
        assert refused.value.payload() == unknown.value.payload()

    assert listed(bob)[0].status == "pending"
    assert contact_ids(alice) == []


def test_users_do_not_see_requests_of_others(people):
    alice, bob, carol = people

    ask(alice, bob)

    assert listed(carol, "incoming") == listed(carol, "outgoing") == []


def test_requests_are_limited_per_user(make_app):
    app = make_app(rate_limits=True, rate_contact_requests_per_user="2/minute")
    with app.app_context():
        alice, bob, carol, dave = create_users("alice", "bob", "carol", "dave")
        ask(alice, bob)
        ask(alice, carol)

        with pytest.raises(RateLimitedError) as refused:
            ask(alice, dave)

        assert refused.value.retry_after > 0
        assert ask(bob, dave).status == "pending"


def test_requests_are_listed_in_pages_latest_change_first(app):
    alice, *others = create_users(*(f"user{number}" for number in range(6)))
    requests = [ask(other, alice) for other in others]
    contact_requests.reject(alice, requests[0].id)

    pages, cursor = [], None
    while not pages or cursor is not None:
        page = contact_requests.list_requests(alice, ContactRequestsQuery(limit=2, cursor=cursor))
        pages.append([item.id for item in page.items])
        cursor = page.next_cursor and int(page.next_cursor)

    ids = [request.id for request in requests]
    assert pages == [[ids[0], ids[4]], [ids[3], ids[2]], [ids[1]]]


def test_requests_are_listed_by_status(people):
    alice, bob, carol = people
    contact_requests.reject(alice, ask(bob, alice).id)
    waiting = ask(carol, alice)

    assert [item.id for item in listed(alice, status="pending")] == [waiting.id]
    assert [item.user.id for item in listed(alice, status="rejected")] == [bob]
    assert listed(alice, status="accepted") == []


# -- races -----------------------------------------------------------------------------------------------------


def test_simultaneous_crossing_requests_become_one_friendship(app):
    for race in range(RACES):
        one, other = create_users(f"one{race}", f"other{race}")

        outcomes = at_once(app, partial(ask, one, other), partial(ask, other, one))

        assert sorted(outcome.status for outcome in outcomes) == ["accepted", "pending"]
        assert (contact_ids(one), contact_ids(other)) == ([other], [one])
        both = listed(one, "incoming") + listed(one, "outgoing")
        assert [request.status for request in both] == ["accepted"]


def test_the_same_request_sent_twice_simultaneously_is_stored_once(app):
    for race in range(RACES):
        one, other = create_users(f"one{race}", f"other{race}")

        first, second = at_once(app, partial(ask, one, other), partial(ask, one, other))

        assert first == second
        assert len(listed(other)) == 1


def test_of_two_simultaneous_acceptances_one_fails(app):
    for race in range(RACES):
        one, other = create_users(f"one{race}", f"other{race}")
        accept = partial(contact_requests.accept, other, ask(one, other).id)

        outcomes = at_once(app, accept, accept)

        assert sum(isinstance(outcome, RequestHandledError) for outcome in outcomes) == 1
        assert (contact_ids(one), contact_ids(other)) == ([other], [one])


def test_of_a_simultaneous_acceptance_and_cancellation_exactly_one_succeeds(app):
    for race in range(RACES):
        one, other = create_users(f"one{race}", f"other{race}")
        request = ask(one, other)

        accepted, cancelled = at_once(
            app,
            partial(contact_requests.accept, other, request.id),
            partial(contact_requests.cancel, one, request.id),
        )

        loser = cancelled if contact_ids(one) else accepted
        assert isinstance(loser, RequestHandledError)
        assert contact_ids(one) == ([other] if loser is cancelled else [])
        assert contact_ids(other) == ([one] if loser is cancelled else [])
        assert listed(other)[0].status == ("accepted" if loser is cancelled else "cancelled")


def test_a_simultaneous_request_and_block_leave_no_friendship(app):
    for race in range(RACES):
        one, other = create_users(f"one{race}", f"other{race}")
        ask(one, other)

        crossing, _ = at_once(app, partial(ask, other, one), partial(blocks.block, one, other))

        is_friend = contact_ids(one) == [other]
        assert is_friend == (not isinstance(crossing, BlockedError))
        assert contact_ids(other) == ([one] if is_friend else [])
