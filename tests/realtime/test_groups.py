"""Changes of a group reach the devices of its members in order, and never reach removed members."""

import threading

import pytest


@pytest.fixture
def people(server, device):
    """Connect alice, bob and carol with one device each."""
    return [device(server, name).connect() for name in ("alice", "bob", "carol")]


def settle(*devices):
    """Wait until everything pushed so far has arrived: the answer to a command comes after it."""
    for one in devices:
        assert one.call("ping_server", {})["ok"]


def make_group(owner, *members, **options):
    body = {"name": "Hikers", "member_ids": [member.id for member in members], **options}
    return owner.post("/api/groups", body)["id"]


def ask_to_join(outsider, owner, group_id):
    """Ask to join as an outsider with the group's invitation link."""
    token = owner.rest("PUT", f"/api/groups/{group_id}/link").json()["token"]
    outsider.post(f"/api/groups/{group_id}/join", {"message": "hello", "token": token})


def numbered(device, group_id):
    """Return (change, event) of everything pushed about a group."""
    found = []
    for name, payload in list(device.events):
        body = payload.get("message", payload)
        if body.get("conversation_id") == group_id and "change" in body:
            found.append((body["change"], name))
    return found


def test_a_new_group_is_pushed_to_all_its_members(people):
    alice, bob, carol = people

    group_id = make_group(alice, bob)
    settle(*people)

    for one in (alice, bob):
        assert numbered(one, group_id) == [(1, "group_created"), (2, "message_created")]
        assert one.received("group_created")[0]["group"]["id"] == group_id
    assert numbered(carol, group_id) == []


def test_changes_are_pushed_in_order_to_all_members(people):
    alice, bob, carol = people
    group_id = make_group(alice, bob)
    path = f"/api/groups/{group_id}"

    alice.rest("PATCH", path, {"name": "Walkers"})
    alice.rest("PUT", f"{path}/members/{bob.id}/role", {"role": "admin"})
    alice.post(f"{path}/members", {"user_ids": [carol.id]})
    bob.rest("DELETE", f"{path}/members/{carol.id}")
    alice.rest("DELETE", path)
    settle(*people)

    assert [change for change, _ in numbered(bob, group_id)] == list(range(1, 13))
    assert [name for _, name in numbered(bob, group_id)][::2] == [
        "group_created", "group_updated", "member_updated", "members_added", "member_removed", "group_dissolved",
    ]  # fmt: skip
    assert numbered(carol, group_id) == [(7, "members_added"), (8, "message_created"), (9, "member_removed")]


def test_an_added_member_gets_the_groups_messages_on_all_devices(people):
    alice, bob, _ = people
    laptop = bob.other_device().connect()
    group_id = make_group(alice, join_policy="open")

    bob.post(f"/api/groups/{group_id}/join", {})
    sent = alice.send("hello", group_id=group_id)["message"]

    for one in (bob, laptop):
        assert one.wait_for("message_created", lambda payload: payload["message"]["id"] == sent["id"])
    laptop.close()


def test_join_requests_are_pushed_to_the_asking_user_and_the_admins(people):
    alice, bob, carol = people
    group_id = make_group(alice, bob, join_policy="approval")

    ask_to_join(carol, alice, group_id)
    alice.post(f"/api/groups/{group_id}/join-requests/{carol.id}/reject")
    settle(*people)

    for one in (alice, carol):
        assert [event["request"]["status"] for event in one.received("join_request_created")] == ["pending"]
        assert [event["request"]["status"] for event in one.received("join_request_updated")] == ["rejected"]
    assert bob.received("join_request_created") == bob.received("join_request_updated") == []


def test_adding_a_user_with_a_pending_request_pushes_it_as_accepted(people):
    alice, bob, carol = people
    group_id = make_group(alice, bob, join_policy="approval")
    alice.rest("PUT", f"/api/groups/{group_id}/members/{bob.id}/role", {"role": "admin"})
    ask_to_join(carol, alice, group_id)

    alice.post(f"/api/groups/{group_id}/members", {"user_ids": [carol.id]})

    for one in people:
        told = one.wait_for("join_request_updated")["request"]
        assert (told["user_id"], told["status"], told["handled_by"]) == (carol.id, "accepted", alice.id)
    settle(bob)
    assert len(bob.received("join_request_updated")) == 1


def test_no_message_sent_after_a_removal_reaches_the_removed_member(people):
    alice, bob, carol = people
    group_id = make_group(alice, bob, carol)
    path = f"/api/groups/{group_id}/members"
    stop = threading.Event()

    def chatter():
        while not stop.is_set():
            bob.send("chatter", group_id=group_id)

    talking = threading.Thread(target=chatter)
    talking.start()
    for _ in range(5):
        assert alice.rest("DELETE", f"{path}/{carol.id}").status_code == 204
        alice.post(path, {"user_ids": [carol.id]})
    assert alice.rest("DELETE", f"{path}/{carol.id}").status_code == 204
    bob.send("she is gone", group_id=group_id)
    stop.set()
    talking.join()
    settle(*people)

    inside = spans(alice.history(group_id), carol.id)
    heard = [event["message"]["seq"] for event in carol.received("message_created")]
    assert heard == sorted(set(heard))
    assert [seq for seq in heard if not any(first <= seq < end for first, end in inside)] == []


def spans(history, user_id):
    """Return the user's memberships as [first seq, end seq); the line about a removal is outside."""
    found = []
    for message in history:
        content = message["content"]
        if content.get("event") in {"group_created", "members_added"} and user_id in content["user_ids"]:
            found.append([message["seq"], None])
        if content.get("event") == "member_removed":
            found[-1][1] = message["seq"]
    return found


def test_every_command_is_refused_to_a_removed_member(people):
    alice, bob, _ = people
    group_id = make_group(alice, bob)
    sent = alice.send("hello", group_id=group_id)["message"]
    alice.rest("DELETE", f"/api/groups/{group_id}/members/{bob.id}")

    text = {"client_id": "c1", "type": "text", "content": {"text": "x"}}
    for command, payload in (
        ("send_message", {**text, "group_id": group_id}),
        ("send_message", {**text, "conversation_id": group_id}),
        ("edit_message", {"message_id": sent["id"], "content": {"text": "x"}}),
        ("recall_message", {"message_id": sent["id"]}),
        ("react", {"message_id": sent["id"], "emoji": "👍"}),
        ("pin_message", {"message_id": sent["id"]}),
        ("mark_read", {"conversation_id": group_id, "seq": 1}),
    ):
        ack = bob.call(command, payload)
        assert (ack["ok"], ack["error"]["code"]) == (False, "not_a_member"), command


def test_a_device_that_connects_during_a_removal_gets_no_later_message(people):
    alice, bob, carol = people
    group_id = make_group(alice, bob, carol)
    laptops = [carol.other_device() for _ in range(4)]
    threads = [threading.Thread(target=laptop.connect) for laptop in laptops]

    for thread in threads[:2]:
        thread.start()
    alice.rest("DELETE", f"/api/groups/{group_id}/members/{carol.id}")
    for thread in threads[2:]:
        thread.start()
    for thread in threads:
        thread.join()
    bob.send("she is gone", group_id=group_id)
    settle(*people, *laptops)

    for one in (carol, *laptops):
        texts = [event["message"]["content"] for event in one.received("message_created")]
        assert {"text": "she is gone"} not in texts
        one.close()
