"""Blocks: where they are visible and what they do not affect."""

from functools import partial

import pytest

from imapp.errors import BlockedError, ForbiddenError, NotFoundError
from imapp.schemas.contacts import ContactRequestIn, ContactsQuery
from imapp.services.contacts import blocks, contact_requests, contact_views, contacts
from imapp.services.messaging import private_conversations
from tests.support.people import at_once, create_users


@pytest.fixture
def people(app):
    return create_users("alice", "bob", "carol")


def listed(user_id, **query):
    return blocks.list_blocks(user_id, ContactsQuery(**query)).items


def test_a_block_is_listed_for_the_blocking_user_only(people):
    alice, bob, carol = people

    blocked = blocks.block(alice, bob)

    assert (blocked.user_id, blocked.user.username, blocked.removed) == (bob, "bob", False)
    assert listed(alice) == [blocked]
    assert listed(bob) == listed(carol) == []


def test_a_block_is_not_in_the_blocked_users_sync(people):
    alice, bob, _ = people

    blocks.block(alice, bob)
    blocks.unblock(alice, bob)

    assert contact_views.rows(bob, 0, 100) == []


def test_blocking_twice_changes_nothing(people):
    alice, bob, _ = people

    first = blocks.block(alice, bob)

    assert blocks.block(alice, bob) == first


def test_a_block_can_be_removed_and_set_again(people):
    alice, bob, _ = people
    first = blocks.block(alice, bob)

    blocks.unblock(alice, bob)
    between = listed(alice)
    again = blocks.block(alice, bob)

    assert between == []
    assert listed(alice) == [again]
    assert again.version == first.version + 2


def test_only_the_blocking_user_can_remove_a_block(people):
    alice, bob, _ = people
    blocks.block(alice, bob)

    with pytest.raises(NotFoundError):
        blocks.unblock(bob, alice)

    assert len(listed(alice)) == 1


def test_unblocking_a_user_that_is_not_blocked_fails(people):
    alice, bob, _ = people
    blocks.block(alice, bob)
    blocks.unblock(alice, bob)

    for other in (bob, people[2], max(people) + 1):
        with pytest.raises(NotFoundError):
            blocks.unblock(alice, other)


def test_blocking_oneself_or_an_unknown_user_fails(people):
    alice, *_ = people

    with pytest.raises(ForbiddenError):
        blocks.block(alice, alice)
    with pytest.raises(NotFoundError):
        blocks.block(alice, max(people) + 1)


def test_blocking_does_not_end_a_friendship(people):
    alice, bob, _ = people
    contact_requests.send(alice, ContactRequestIn(user_id=bob))
    contact_requests.send(bob, ContactRequestIn(user_id=alice))

    blocks.block(alice, bob)

    assert [item.user_id for item in contacts.list_contacts(alice, ContactsQuery()).items] == [bob]
    assert [item.user_id for item in contacts.list_contacts(bob, ContactsQuery()).items] == [alice]


def test_a_block_prevents_opening_a_private_conversation(people):
    alice, bob, _ = people
    blocks.block(alice, bob)

    for one, other in ((alice, bob), (bob, alice)):
        with pytest.raises(BlockedError):
            private_conversations.open_private(one, other)

    blocks.unblock(alice, bob)
    assert private_conversations.open_private(bob, alice)[1]


def test_blocks_are_listed_in_pages(app):
    alice, *others = create_users(*(f"user{number}" for number in range(4)))
    for other in others:
        blocks.block(alice, other)

    first = blocks.list_blocks(alice, ContactsQuery(limit=2))
    second = blocks.list_blocks(alice, ContactsQuery(limit=2, cursor=int(first.next_cursor)))

    assert [item.user_id for item in first.items + second.items] == others
    assert second.next_cursor is None


def test_simultaneous_blocks_from_both_sides_are_two_blocks(app):
    for race in range(6):
        one, other = create_users(f"one{race}", f"other{race}")

        at_once(app, partial(blocks.block, one, other), partial(blocks.block, other, one))

        assert [item.user_id for item in listed(one) + listed(other)] == [other, one]
