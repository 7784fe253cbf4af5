"""Changes of contacts, requests and blocks reach all devices of the users involved, as a fresh load shows them."""

from uuid import uuid4

import pytest


@pytest.fixture
def people(server, device):
    """Connect Alice at a phone, and Bob at a phone and a laptop."""
    alice, bob = device(server, "alice").connect(), device(server, "bob").connect()
    laptop = bob.other_device().connect()
    yield alice, bob, laptop
    laptop.close()


def befriend(alice, bob):
    bob.post("/api/contact-requests", {"user_id": alice.id})
    return alice.post("/api/contact-requests", {"user_id": bob.id})


def settle(*devices):
    """Wait until everything pushed so far has arrived: the answer to a command comes after it."""
    for one in devices:
        assert one.call("ping_server", {})["ok"]


def own_state(device):
    """Return the names of the pushed events about contacts and blocks."""
    return [name for name, _ in device.events if name.startswith(("contact_", "user_"))]


def only(device, path):
    [item] = device.get(path)["items"]
    return item


def test_a_request_reaches_all_devices_of_both_sides(people):
    alice, bob, laptop = people

    alice.post("/api/contact-requests", {"user_id": bob.id, "message": "It's me"})

    incoming = only(bob, "/api/contact-requests")
    assert incoming["message"] == "It's me"
    assert bob.wait_for("contact_request_created") == {"request": incoming}
    assert laptop.wait_for("contact_request_created") == {"request": incoming}
    outgoing = only(alice, "/api/contact-requests?direction=outgoing")
    assert alice.wait_for("contact_request_created") == {"request": outgoing}


def test_an_acceptance_reaches_all_devices_with_the_new_contact(people):
    alice, bob, laptop = people
    request = alice.post("/api/contact-requests", {"user_id": bob.id})

    bob.post(f"/api/contact-requests/{request['id']}/accept")

    outgoing = only(alice, "/api/contact-requests?direction=outgoing&status=accepted")
    assert alice.wait_for("contact_request_updated") == {"request": outgoing}
    assert alice.wait_for("contact_added") == {"contact": only(alice, "/api/contacts")}
    for one in (bob, laptop):
        incoming = only(bob, "/api/contact-requests?status=accepted")
        assert one.wait_for("contact_request_updated") == {"request": incoming}
        assert one.wait_for("contact_added") == {"contact": only(bob, "/api/contacts")}


@pytest.mark.parametrize("end", ["reject", "cancel"])
def test_ending_a_request_reaches_both_sides(people, end):
    alice, bob, laptop = people
    request = alice.post("/api/contact-requests", {"user_id": bob.id})

    (bob if end == "reject" else alice).post(f"/api/contact-requests/{request['id']}/{end}")

    incoming = only(bob, "/api/contact-requests")
    assert incoming["status"] == {"reject": "rejected", "cancel": "cancelled"}[end]
    assert bob.wait_for("contact_request_updated") == {"request": incoming}
    assert laptop.wait_for("contact_request_updated") == {"request": incoming}
    outgoing = only(alice, "/api/contact-requests?direction=outgoing")
    assert alice.wait_for("contact_request_updated") == {"request": outgoing}


def test_a_repeated_request_is_pushed_once(people):
    alice, bob, _ = people
    alice.post("/api/contact-requests", {"user_id": bob.id})

    alice.post("/api/contact-requests", {"user_id": bob.id})

    settle(alice, bob)
    assert own_state(alice) == own_state(bob) == ["contact_request_created"]


def test_a_remark_reaches_the_users_own_devices_only(people):
    alice, bob, laptop = people
    befriend(alice, bob)

    bob.rest("PATCH", f"/api/contacts/{alice.id}", {"remark": "Alice from work"}).raise_for_status()

    contact = only(bob, "/api/contacts")
    assert contact["remark"] == "Alice from work"
    assert laptop.wait_for("contact_updated") == {"contact": contact}
    settle(alice)
    assert "contact_updated" not in own_state(alice)


def test_a_removal_reaches_all_devices_of_both_sides(people):
    alice, bob, laptop = people
    befriend(alice, bob)

    alice.rest("DELETE", f"/api/contacts/{bob.id}").raise_for_status()

    for one, other in ((alice, bob), (bob, alice), (laptop, alice)):
        gone = one.wait_for("contact_removed")["contact"]
        added = one.wait_for("contact_added")["contact"]
        assert (gone["user_id"], gone["removed"]) == (other.id, True)
        assert gone["version"] > added["version"]


def test_a_block_is_pushed_to_the_blocking_user_only(people):
    alice, bob, laptop = people

    bob.rest("PUT", f"/api/blocks/{alice.id}").raise_for_status()
    block = only(bob, "/api/blocks")
    bob.rest("DELETE", f"/api/blocks/{alice.id}").raise_for_status()

    assert laptop.wait_for("user_blocked") == {"block": block}
    lifted = laptop.wait_for("user_unblocked")["block"]
    assert (lifted["user_id"], lifted["removed"]) == (alice.id, True)
    settle(alice)
    assert own_state(alice) == []


def test_new_contacts_are_notified_that_the_other_is_online(people):
    alice, bob, laptop = people

    befriend(alice, bob)

    for one, other in ((alice, bob), (bob, alice), (laptop, alice)):
        assert one.wait_for("presence_changed")["user_id"] == other.id
        assert one.wait_for("presence_changed")["online"] is True


def test_an_offline_new_contact_is_not_shown_online(server, device):
    alice, bob = device(server, "alice").connect(), device(server, "bob")

    befriend(alice, bob)

    alice.wait_for("contact_added")
    settle(alice)
    assert alice.received("presence_changed") == []


def test_a_block_hides_presence_in_both_directions_until_it_is_removed(people):
    alice, bob, _ = people
    befriend(alice, bob)

    alice.rest("PUT", f"/api/blocks/{bob.id}").raise_for_status()

    alice.wait_for("presence_changed", lambda told: told["user_id"] == bob.id and not told["online"])
    bob.wait_for("presence_changed", lambda told: told["user_id"] == alice.id and not told["online"])
    for one, other in ((alice, bob), (bob, alice)):
        assert one.call("get_online_users", {"user_ids": [other.id]})["user_ids"] == []
        one.events.clear()

    alice.rest("DELETE", f"/api/blocks/{bob.id}").raise_for_status()

    alice.wait_for("presence_changed", lambda told: told["user_id"] == bob.id and told["online"])
    bob.wait_for("presence_changed", lambda told: told["user_id"] == alice.id and told["online"])
    assert bob.call("get_online_users", {"user_ids": [alice.id]})["user_ids"] == [alice.id]


def test_presence_stays_hidden_while_the_other_sides_block_remains(people):
    alice, bob, _ = people
    befriend(alice, bob)
    alice.rest("PUT", f"/api/blocks/{bob.id}").raise_for_status()
    bob.rest("PUT", f"/api/blocks/{alice.id}").raise_for_status()
    settle(alice, bob)
    alice.events.clear()
    bob.events.clear()

    alice.rest("DELETE", f"/api/blocks/{bob.id}").raise_for_status()

    settle(alice, bob)
    assert alice.received("presence_changed") == bob.received("presence_changed") == []


def test_blocking_a_stranger_pushes_no_presence(people):
    alice, bob, _ = people

    alice.rest("PUT", f"/api/blocks/{bob.id}").raise_for_status()
    alice.rest("DELETE", f"/api/blocks/{bob.id}").raise_for_status()

    settle(alice, bob)
    assert alice.received("presence_changed") == bob.received("presence_changed") == []


def test_a_block_stops_private_messages_in_both_directions(people):
    alice, bob, _ = people
    conversation_id = alice.send("before", to_user_id=bob.id)["message"]["conversation_id"]
    alice.rest("PUT", f"/api/blocks/{bob.id}").raise_for_status()

    for one, other in ((alice, bob), (bob, alice)):
        for target in ({"conversation_id": conversation_id}, {"to_user_id": other.id}):
            body = {"client_id": uuid4().hex, "type": "text", "content": {"text": "during"}}
            ack = one.call("send_message", body | target)
            assert (ack["ok"], ack["error"]["code"]) == (False, "blocked")

    alice.rest("DELETE", f"/api/blocks/{bob.id}").raise_for_status()
    bob.send("after", conversation_id=conversation_id)
    assert [message["content"]["text"] for message in alice.history(conversation_id)] == ["before", "after"]
