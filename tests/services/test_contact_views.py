"""`sync` of contacts, requests and blocks: a device that applies the changes equals a freshly loaded one."""

import random
import threading
from contextlib import suppress

from sqlalchemy import event

from imapp.errors import AppError
from imapp.extensions import db
from imapp.schemas.contacts import ContactIn, ContactRequestIn, ContactRequestsQuery, ContactsQuery
from imapp.services.contacts import blocks, contact_requests, contact_views, contacts
from tests.support.people import create_users


class Replica:
    """A device's copy of its user's own state."""

    def __init__(self, user_id):
        self.user_id = user_id
        self.cursor = 0
        self.items = {}

    def catch_up(self, limit):
        while rows := contact_views.rows(self.user_id, self.cursor, limit):
            versions = [version for version, _, _ in rows]
            assert len(rows) <= limit
            assert versions == sorted(set(versions)) == [item["version"] for _, _, item in rows]
            assert versions[0] > self.cursor
            for version, kind, item in rows:
                self._apply(kind, item)
                self.cursor = version

    def _apply(self, kind, item):
        key = (kind, item["id"] if kind == "contact_request" else item["user_id"])
        if item.get("removed"):
            self.items.pop(key, None)
        else:
            self.items[key] = item


def fresh(user_id):
    """Return the user's own state as the list functions show it."""
    page = ContactsQuery(limit=200)
    found = {("contact", item.user_id): item for item in contacts.list_contacts(user_id, page).items}
    found |= {("block", item.user_id): item for item in blocks.list_blocks(user_id, page).items}
    for direction in ("incoming", "outgoing"):
        query = ContactRequestsQuery(limit=200, direction=direction)
        requests = contact_requests.list_requests(user_id, query).items
        found |= {("contact_request", item.id): item for item in requests}
    return {key: item.wire() for key, item in found.items()}


def act(dice, user_ids):
    """Let a random user act on another one; ignore refusals."""
    actor, other = dice.sample(user_ids, 2)
    requests = [key[1] for key in fresh(actor) if key[0] == "contact_request"] or [1]
    action = dice.choice(
        [
            lambda: contact_requests.send(actor, ContactRequestIn(user_id=other, message="hi")),
            lambda: contact_requests.accept(actor, dice.choice(requests)),
            lambda: contact_requests.accept(actor, dice.choice(requests)),
            lambda: contact_requests.reject(actor, dice.choice(requests)),
            lambda: contact_requests.cancel(actor, dice.choice(requests)),
            lambda: contacts.set_remark(actor, other, ContactIn(remark=str(dice.random())[:10])),
            lambda: contacts.remove(actor, other),
            lambda: blocks.block(actor, other),
            lambda: blocks.unblock(actor, other),
            lambda: blocks.unblock(actor, other),
        ]
    )
    with suppress(AppError):
        action()


def test_applying_sync_to_a_device_equals_a_fresh_load(app):
    dice = random.Random(7)
    user_ids = create_users("alice", "bob", "carol")
    replicas = [Replica(user_id) for user_id in user_ids]

    for _ in range(80):
        act(dice, user_ids)
        replica = dice.choice(replicas)
        replica.catch_up(limit=dice.choice([1, 2, 100]))
        assert replica.items == fresh(replica.user_id)


def test_a_removed_contact_and_a_removed_block_are_reported_as_gone(app):
    alice, bob = create_users("alice", "bob")
    contact_requests.send(alice, ContactRequestIn(user_id=bob))
    contact_requests.send(bob, ContactRequestIn(user_id=alice))
    blocks.block(alice, bob)
    contacts.remove(alice, bob)
    blocks.unblock(alice, bob)

    rows = contact_views.rows(alice, 0, 100)

    assert [(kind, item.get("removed")) for _, kind, item in rows] == [
        ("contact_request", None),
        ("contact", True),
        ("block", True),
    ]


def test_a_page_holds_the_oldest_versions_of_all_kinds(app):
    alice, bob, carol, dave = create_users("alice", "bob", "carol", "dave")
    blocks.block(alice, bob)
    contact_requests.send(alice, ContactRequestIn(user_id=carol))
    contact_requests.send(dave, ContactRequestIn(user_id=alice))
    blocks.block(alice, dave)

    first = contact_views.rows(alice, 0, 2)
    second = contact_views.rows(alice, first[-1][0], 2)

    assert [(kind, item["user"]["id"]) for _, kind, item in first + second] == [
        ("block", bob),
        ("contact_request", carol),
        ("contact_request", dave),
        ("block", dave),
    ]


def test_a_commit_between_two_statements_of_a_page_is_in_the_next_page(app):
    alice, bob = create_users("alice", "bob")
    contact_requests.send(alice, ContactRequestIn(user_id=bob))
    contact_requests.send(bob, ContactRequestIn(user_id=alice))
    replica = Replica(alice)

    changes = iter([True])

    def interfere(_connection, _cursor, statement, *_rest):
        if "FROM contacts" in statement and next(changes, False):
            contacts.set_remark(alice, bob, ContactIn(remark="Bobby"))
            blocks.block(alice, bob)

    event.listen(db.engine, "after_cursor_execute", interfere)
    replica.catch_up(limit=100)

    assert replica.items == fresh(alice)
    assert replica.items["contact", bob]["remark"] == "Bobby"


def test_a_reader_beside_writers_skips_no_change(app):
    alice, *others = create_users(*(f"user{number}" for number in range(5)))

    def write(seed):
        dice = random.Random(seed)
        with app.app_context():
            for _ in range(40):
                act(dice, [alice, others[seed], others[seed + 1]])

    writers = [threading.Thread(target=write, args=(seed,)) for seed in range(3)]
    replica = Replica(alice)
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        replica.catch_up(limit=3)
    for writer in writers:
        writer.join()
    replica.catch_up(limit=3)

    assert replica.items == fresh(alice)
