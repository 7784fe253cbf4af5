"""Presence: online users, and the users that are notified."""


def befriend(alice, bob) -> None:
    request = alice.post("/api/contact-requests", {"user_id": bob.id})
    bob.post(f"/api/contact-requests/{request['id']}/accept")


def test_a_contact_is_notified_when_a_user_connects_and_disconnects(server, device):
    alice, bob = device(server, "alice"), device(server, "bob")
    befriend(alice, bob)
    alice.connect()

    bob.connect()
    came = alice.wait_for("presence_changed", lambda p: p["user_id"] == bob.id and p["online"])
    bob.close()
    went = alice.wait_for("presence_changed", lambda p: p["user_id"] == bob.id and not p["online"])

    assert came["online"] is True
    assert went["last_seen_at"].endswith("Z")


def test_a_user_is_online_until_the_last_device_disconnects(server, device):
    alice = device(server, "alice").connect()
    bob = device(server, "bob").connect()
    befriend(alice, bob)
    laptop = bob.other_device().connect()

    bob.close()
    online = alice.call("get_online_users", {"user_ids": [bob.id, alice.id]})["user_ids"]
    laptop.close()
    server_side = alice.call("get_online_users", {"user_ids": [bob.id]})

    assert sorted(online) == sorted([alice.id, bob.id])
    assert server_side["ok"]


def test_without_ids_the_watched_users_that_are_online_are_returned(server, device):
    alice, bob, carol = (device(server, name).connect() for name in ("alice", "bob", "carol"))
    alice.send("hi", to_user_id=bob.id)
    after_one = alice.call("get_online_users", {})["user_ids"]
    bob.send("hello", to_user_id=alice.id)

    assert after_one == []
    assert alice.call("get_online_users", {})["user_ids"] == [bob.id]
    assert carol.call("get_online_users", {"user_ids": [alice.id, bob.id]})["user_ids"] == []


def test_users_see_each_other_online_after_both_have_written(server, device):
    alice, bob, carol = (device(server, name).connect() for name in ("alice", "bob", "carol"))
    alice.send("hi", to_user_id=bob.id)
    alice.send("hi", to_user_id=carol.id)

    bob.send("hello", to_user_id=alice.id)

    assert alice.wait_for("presence_changed", lambda told: told["user_id"] == bob.id)["online"]
    assert bob.wait_for("presence_changed", lambda told: told["user_id"] == alice.id)["online"]
    assert carol.received("presence_changed") == []


def test_members_of_a_common_group_may_query_presence_but_do_not_watch(server, device):
    alice, bob = device(server, "alice").connect(), device(server, "bob").connect()
    alice.post("/api/groups", {"name": "two", "member_ids": [bob.id]})

    assert bob.call("get_online_users", {"user_ids": [alice.id, bob.id]})["user_ids"] == [alice.id, bob.id]
    assert bob.call("get_online_users", {})["user_ids"] == []


def test_a_blocked_user_sees_no_presence(server, device):
    alice, bob = device(server, "alice").connect(), device(server, "bob").connect()
    befriend(alice, bob)

    bob.rest("PUT", f"/api/blocks/{alice.id}").raise_for_status()

    assert alice.call("get_online_users", {"user_ids": [bob.id]})["user_ids"] == []
    assert alice.call("get_online_users", {})["user_ids"] == []


def test_the_statistics_count_users_and_connections(server, device):
    alice = device(server, "alice").connect()

    stats = alice.get("/api/stats/online")

    assert stats["count"] >= 1
    assert stats["node_id"] == "node-1"
    assert stats["nodes"][0]["connections"] >= 1
