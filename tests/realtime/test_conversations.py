"""Own settings, read marks, typing and rooms over the socket, inside the test's process."""

import time

import pytest

from imapp.services.messaging import receipts
from tests.support.ports import wait_for
from tests.sync.world import World


@pytest.fixture
def world(app):
    """Connect Ann with two devices, Bob and Cyd."""
    made = World(app)
    for device in made.devices:
        device.connect()
    yield made
    made.close()


@pytest.fixture
def group(world):
    """Create a group of Ann and Bob, and forget the events of its creation."""
    ann, bob, _ = world.people
    group_id = ann.rest("/api/groups", {"name": "g", "member_ids": [bob.id]})["id"]
    world.settle()
    for device in world.devices:
        device.wire.inbox.clear()
    return group_id


def say(person, conversation_id, client_id="c"):
    draft = {"client_id": client_id, "type": "text", "content": {"text": "hi"}}
    return person.rest(f"/api/conversations/{conversation_id}/messages", draft)["message"]


def heard(device, *names):
    return [(name, payload) for name, payload in device.wire.inbox if not names or name in names]


def test_settings_are_pushed_to_the_users_own_devices_only(world, group):
    ann, bob, _ = world.people
    patch = {"conversation_id": group, "is_pinned": True, "draft": "soon"}

    ack = ann.devices[0].wire.call("update_conversation", patch)

    assert ack["ok"]
    for device in ann.devices:
        ((name, payload),) = heard(device)
        assert name == "conversation_updated"
        assert {"ok": True, **payload["conversation"]} == ack
    assert heard(bob.devices[0]) == []


def test_mark_unread_changes_a_setting(world, group):
    ann = world.people[0]

    ack = ann.devices[0].wire.call("mark_unread", {"conversation_id": group})

    assert (ack["ok"], ack["is_marked_unread"]) == (True, True)


def test_deleting_for_oneself_is_pushed_to_the_users_own_devices_only(world, group):
    ann, bob, _ = world.people
    sent = say(ann, group)
    world.settle()

    ack = bob.devices[0].wire.call("hide_messages", {"message_ids": [sent["id"]]})

    assert ack["message_ids"] == [sent["id"]]
    assert heard(bob.devices[1], "messages_hidden") == [
        ("messages_hidden", {"message_ids": [sent["id"]], "version": ack["version"]})
    ]
    assert heard(ann.devices[0], "messages_hidden") == []


def marks(device):
    return [payload["read_seq"] for _, payload in heard(device, "conversation_read")]


# -- typing ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("command", "event"), [("typing", "user_typing"), ("stop_typing", "user_stop_typing")])
def test_typing_is_pushed_to_all_connections_but_the_typing_one(world, group, command, event):
    ann, bob, cyd = world.people

    ack = ann.devices[0].wire.call(command, {"conversation_id": group})

    assert ack == {"ok": True}
    pushed = [(event, {"conversation_id": group, "user_id": ann.id})]
    assert heard(ann.devices[0]) == heard(cyd.devices[0]) == []
    assert heard(ann.devices[1]) == heard(bob.devices[0]) == heard(bob.devices[1]) == pushed


def test_a_user_without_the_right_to_send_cannot_be_seen_typing(world, group):
    ann, bob, cyd = world.people
    private = ann.rest("/api/conversations", {"user_id": bob.id})["id"]
    ann.rest.try_("PATCH", f"/api/groups/{group}", {"is_muted_all": True})
    bob.rest.try_("PUT", f"/api/blocks/{ann.id}")

    acks = [
        person.devices[0].wire.call("typing", {"conversation_id": conversation_id})
        for person, conversation_id in ((bob, group), (ann, private), (cyd, group), (cyd, 999))
    ]

    assert [ack["error"]["code"] for ack in acks] == ["muted", "blocked", "not_a_member", "not_a_member"]
    assert heard(bob.devices[1], "user_typing") == heard(ann.devices[1], "user_typing") == []


def test_typing_is_not_pushed_in_a_large_group(make_app):
    app = make_app(group_receipts_max_members=1)
    with app.app_context():
        world = World(app)
        for device in world.devices:
            device.connect()
        ann, bob, _ = world.people
        group_id = ann.rest("/api/groups", {"name": "g", "member_ids": [bob.id]})["id"]

        ack = ann.devices[0].wire.call("typing", {"conversation_id": group_id})

        assert ack == {"ok": True}
        assert heard(bob.devices[0], "user_typing") == []
        world.close()


# -- rooms -----------------------------------------------------------------------------------------------------


def test_a_connection_leaves_and_joins_the_room_of_a_conversation(world, group):
    ann, bob, _ = world.people
    quiet, other = bob.devices

    left = quiet.wire.call("leave_room", {"conversation_id": group})
    say(ann, group, "1")
    world.settle()
    joined = quiet.wire.call("join_room", {"conversation_id": group})
    say(ann, group, "2")
    world.settle()

    assert left == joined == {"ok": True}
    assert [payload["message"]["client_id"] for _, payload in heard(quiet)] == ["2"]
    assert [payload["message"]["client_id"] for _, payload in heard(other)] == ["1", "2"]


def test_joining_the_room_of_a_foreign_conversation_fails(world, group):
    ann, _, cyd = world.people

    ack = cyd.devices[0].wire.call("join_room", {"conversation_id": group})
    say(ann, group)
    world.settle()

    assert ack["error"]["code"] == "not_a_member"
    assert heard(cyd.devices[0]) == []


# -- read receipts ---------------------------------------------------------------------------------------------


def test_group_read_receipts_are_pushed_once_a_second_and_the_last_one_always(world, group):
    ann, bob, _ = world.people
    for number in range(5):
        say(bob, group, str(number))

    for seq in (2, 3, 4, 5):
        ann.devices[0].wire.call("mark_read", {"conversation_id": group, "seq": seq})
    world.settle()
    own = marks(ann.devices[1])
    wait_for(lambda: marks(bob.devices[0])[-1:] == [5], what="the last receipt")

    assert sorted(set(own)) == [2, 3, 4, 5]
    assert marks(bob.devices[0]) == [2, 5]


def test_a_receipt_after_a_quiet_second_is_pushed(world, group):
    ann, bob, _ = world.people
    say(bob, group, "1")
    say(bob, group, "2")
    ann.devices[0].wire.call("mark_read", {"conversation_id": group, "seq": 2})
    time.sleep(receipts.INTERVAL_SECONDS)

    ann.devices[0].wire.call("mark_read", {"conversation_id": group, "seq": 3})

    wait_for(lambda: marks(bob.devices[0]) == [2, 3], what="the second receipt")
