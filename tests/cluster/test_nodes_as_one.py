"""Three nodes are one server: a change on one node is visible on all at once."""

import pytest
from redis import Redis

from tests.support.ports import wait_for


@pytest.fixture
def pair(nodes, device):
    """Connect Alice to the first node and Bob to the second."""
    return device(nodes[0], "alice").connect(), device(nodes[1], "bob").connect()


def group_of(owner, *members):
    body = {"name": "crew", "member_ids": [member.id for member in members]}
    return owner.post("/api/groups", body)["conversation_id"]


def texts(device, conversation_id):
    return [
        one["message"]["content"]["text"]
        for one in device.received("message_created")
        if one["message"]["conversation_id"] == conversation_id and one["message"]["type"] == "text"
    ]


def test_a_private_message_reaches_the_other_node(pair):
    alice, bob = pair

    sent = alice.send("hello", to_user_id=bob.id)["message"]

    conversation = sent["conversation_id"]
    answer = alice.send("again", conversation_id=conversation)["message"]
    assert bob.wait_for("message_created", lambda one: one["message"]["id"] == answer["id"])["message"] == answer


def test_a_frame_recorded_on_the_bus_and_published_again_is_refused(pair, redis_server):
    alice, bob = pair
    conversation = alice.send("first", to_user_id=bob.id)["message"]["conversation_id"]
    redis = Redis(port=redis_server.port, socket_timeout=5)  # `client()` decodes text; frames are bytes
    with redis.pubsub() as tap:
        tap.psubscribe("*:room:*")
        tap.get_message(timeout=5)
        once = alice.send("once", conversation_id=conversation)["message"]
        bob.wait_for("message_created", lambda event: event["message"]["id"] == once["id"])
        recorded = []
        while (frame := tap.get_message(timeout=0.2)) is not None:
            recorded.append(frame)

    for frame in recorded:
        redis.publish(frame["channel"], frame["data"])
    marker = alice.send("marker", conversation_id=conversation)["message"]

    bob.wait_for("message_created", lambda event: event["message"]["id"] == marker["id"])
    assert any(b"once" in frame["data"] for frame in recorded)
    assert texts(bob, conversation).count("once") == 1


def test_all_devices_of_a_user_get_a_message_on_every_node(pair, nodes, device):
    alice, bob = pair
    tablet, desktop = bob.at(nodes[2]).connect(), alice.at(nodes[2]).connect()
    conversation = alice.send("first", to_user_id=bob.id)["message"]["conversation_id"]

    sent = alice.send("second", conversation_id=conversation)["message"]

    for one in (bob, tablet, desktop):
        one.wait_for("message_created", lambda event: event["message"]["id"] == sent["id"])


def test_a_client_in_several_rooms_of_a_message_gets_it_once(pair, nodes, device):
    """Bob's node learns of his joining over the group's channel, because of Carol, and over Bob's own channel."""
    alice, bob = pair
    carol = device(nodes[1], "carol").connect()
    conversation = group_of(alice, carol)
    carol.wait_for("sync_required", lambda one: one["reason"] == "joined")

    alice.rest("POST", f"/api/groups/{conversation}/members", {"user_ids": [bob.id]})
    marker = alice.send("marker", conversation_id=conversation)["message"]

    for one in (bob, carol):
        one.wait_for("message_created", lambda event: event["message"]["id"] == marker["id"])
        told = [event for event in one.received("members_added") if event["conversation_id"] == conversation]
        assert [event["change"] for event in told].count(told[-1]["change"]) == 1


def test_a_removed_member_gets_nothing_on_any_node(pair, nodes, device):
    alice, bob = pair
    carol = device(nodes[2], "carol").connect()
    conversation = group_of(alice, bob, carol)
    alice.send("before", conversation_id=conversation)
    wait_for(lambda: "before" in texts(bob, conversation), what="the message before")

    answer = alice.rest("DELETE", f"/api/groups/{conversation}/members/{bob.id}")
    alice.send("after", conversation_id=conversation)

    wait_for(lambda: "after" in texts(carol, conversation), what="the message after")
    assert answer.status_code == 204
    assert "after" not in texts(bob, conversation)
    assert bob.call("send_message", {
        "conversation_id": conversation, "client_id": "x1", "type": "text", "content": {"text": "no"},
    })["error"]["code"] == "not_a_member"  # fmt: skip


def test_a_session_ended_on_one_node_is_closed_on_another(nodes, device):
    here = device(nodes[0], "alice").connect()
    there = here.other_device().at(nodes[1]).connect()
    bystander = here.at(nodes[2]).connect()

    here.rest("DELETE", "/api/sessions")

    assert there.wait_for("session_ended")["code"] == "session_revoked"
    wait_for(lambda: not there.sio.connected, what="the end of the socket")
    assert here.sio.connected
    assert bystander.sio.connected


def test_a_block_acts_on_the_other_node_at_once(pair):
    alice, bob = pair
    conversation = alice.send("hello", to_user_id=bob.id)["message"]["conversation_id"]

    bob.rest("PUT", f"/api/blocks/{alice.id}")
    answer = alice.call("send_message", {
        "conversation_id": conversation, "client_id": "after-the-block", "type": "text", "content": {"text": "no"},
    })  # fmt: skip

    assert answer["ok"] is False


def test_a_mute_acts_on_the_other_node_at_once(pair):
    alice, bob = pair
    conversation = group_of(alice, bob)

    muted = alice.rest("PATCH", f"/api/groups/{conversation}", {"is_muted_all": True})
    answer = bob.call("send_message", {
        "conversation_id": conversation, "client_id": "muted", "type": "text", "content": {"text": "no"},
    })  # fmt: skip

    assert muted.ok, muted.text
    assert answer["error"]["code"] == "muted"


def test_a_retry_on_another_node_is_the_same_message(pair, nodes):
    alice, bob = pair
    elsewhere = alice.at(nodes[2]).connect()
    first = alice.send("once", client_id="the-same", to_user_id=bob.id)

    again = elsewhere.send("once", client_id="the-same", to_user_id=bob.id)

    assert again["duplicate"] is True
    assert again["message"] == first["message"]


def test_typing_reaches_the_other_node(pair):
    alice, bob = pair
    conversation = alice.send("hello", to_user_id=bob.id)["message"]["conversation_id"]
    wait_for(lambda: "hello" in texts(bob, conversation), what="the rooms to be entered")

    alice.call("typing", {"conversation_id": conversation})

    assert bob.wait_for("user_typing")["user_id"] == alice.id


def test_a_user_just_added_to_a_group_misses_nothing(pair, nodes):
    """The other node subscribes to the group's channel only then, so it tells the new member's devices to sync."""
    alice, bob = pair

    conversation = group_of(alice, bob)
    alice.send("at once", conversation_id=conversation)

    def knows() -> bool:
        answer = bob.call("sync", {"conversations": {str(conversation): 0}})
        found = [one for one in answer["conversations"] if one["id"] == conversation]
        return bool(found) and found[0]["last_seq"] >= 1

    assert knows()
    wait_for(lambda: {"reason": "joined"} in bob.received("sync_required"), what="a hint")


def test_clients_that_enter_a_room_at_once_catch_up_in_one_batch(nodes, device):
    alice = device(nodes[0], "alice").connect()
    others = [device(nodes[1], f"bob{number}").connect() for number in range(6)]
    before = nodes[1].log

    group_of(alice, *others)
    for one in others:
        one.wait_for("sync_required", lambda event: event["reason"] == "joined")

    told = [line for line in nodes[1].log.removeprefix(before).splitlines() if "catching_up" in line]
    assert len(told) == 1, told
    assert "connections=6 reason=joined" in told[0]


def test_session_ids_name_their_node(pair):
    alice, bob = pair

    assert alice.sio.eio.sid.startswith("node-1~")
    assert alice.sio.get_sid().startswith("node-1~")
    assert bob.sio.get_sid().startswith("node-2~")
    assert alice.sio.eio.sid != alice.sio.get_sid()


def test_the_log_reports_the_ready_router_and_the_connected_user(pair, nodes):
    _, bob = pair

    log = nodes[1].log

    assert "集群消息路由器初始化完成" in log
    assert "SocketIO服务器启动成功" in log
    assert f"用户 [{bob.id}] 已连接到节点 node-2" in log
