"""Contacts: remarks, removal, lists."""

from functools import partial

import pytest

from imapp.errors import ForbiddenError, NotFoundError
from imapp.schemas.contacts import ContactIn, ContactRequestIn, ContactsQuery
from imapp.services.contacts import contact_requests, contacts
from tests.support.people import at_once, create_users


def befriend(user_id, other_id):
    contact_requests.send(user_id, ContactRequestIn(user_id=other_id))
    contact_requests.send(other_id, ContactRequestIn(user_id=user_id))


def listed(user_id, **query):
    return contacts.list_contacts(user_id, ContactsQuery(**query)).items


@pytest.fixture
def people(app):
    return create_users("alice", "bob", "carol")


@pytest.fixture
def friends(people):
    """Make bob and carol contacts of alice."""
    alice, bob, carol = people
    befriend(alice, bob)
    befriend(alice, carol)
    return people


def test_a_contact_shows_only_the_users_public_profile(friends):
    alice, bob, _ = friends

    contact = listed(alice)[0].wire()

    assert (contact["user_id"], contact["remark"], contact["removed"]) == (bob, "", False)
    assert set(contact["user"]) == {
        "id", "username", "nickname", "avatar_url", "bio", "created_at", "revision", "is_closed",
    }  # fmt: skip


def test_a_remark_is_visible_in_one_direction_only(friends):
    alice, bob, _ = friends
    before = listed(alice)[0]

    changed = contacts.set_remark(alice, bob, ContactIn(remark="Bob from work"))

    assert changed.remark == "Bob from work"
    assert changed.version > before.version
    assert [contact.remark for contact in listed(alice)] == ["Bob from work", ""]
    assert [contact.remark for contact in listed(bob)] == [""]


def test_removing_a_contact_ends_both_directions(friends):
    alice, bob, carol = friends

    contacts.remove(bob, alice)

    assert [contact.user_id for contact in listed(alice)] == [carol]
    assert listed(bob) == []


def test_a_renewed_friendship_starts_without_a_remark(friends):
    alice, bob, _ = friends
    contacts.set_remark(alice, bob, ContactIn(remark="Bobby"))
    contacts.remove(alice, bob)

    befriend(bob, alice)

    contact = listed(alice)[0]
    assert (contact.user_id, contact.remark) == (bob, "")


def test_removing_or_naming_a_user_outside_the_contacts_fails(friends):
    alice, bob, carol = friends
    contacts.remove(alice, bob)

    for actor, other in ((bob, carol), (carol, bob), (alice, bob), (bob, alice), (alice, max(friends) + 1)):
        with pytest.raises(NotFoundError):
            contacts.remove(actor, other)
        with pytest.raises(NotFoundError):
            contacts.set_remark(actor, other, ContactIn(remark="x"))


def test_a_user_cannot_be_their_own_contact(people):
    with pytest.raises(ForbiddenError):
        contacts.remove(people[0], people[0])


def test_contacts_are_listed_in_pages(app):
    alice, *others = create_users(*(f"user{number}" for number in range(6)))
    for other in others:
        befriend(alice, other)

    pages, cursor = [], None
    while not pages or cursor is not None:
        page = contacts.list_contacts(alice, ContactsQuery(limit=2, cursor=cursor))
        pages.append([item.user_id for item in page.items])
        cursor = page.next_cursor and int(page.next_cursor)

    assert pages == [others[0:2], others[2:4], others[4:]]


def test_of_two_simultaneous_removals_one_finds_nothing(app):
    for race in range(6):
        one, other = create_users(f"one{race}", f"other{race}")
        befriend(one, other)

        outcomes = at_once(app, partial(contacts.remove, one, other), partial(contacts.remove, other, one))

        assert sum(isinstance(outcome, NotFoundError) for outcome in outcomes) == 1
        assert listed(one) == listed(other) == []
