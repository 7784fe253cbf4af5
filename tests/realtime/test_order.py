"""Commands of one connection take effect in the order in which they were sent (drill R24)."""

import json
import re

import pytest


def pipeline(socket, commands) -> list[dict]:
    """Send all commands without waiting; return the acks in the order of sending."""
    for number, command in enumerate(commands):
        socket.send(f"42{number}" + json.dumps(command))
    acks: dict[int, dict] = {}
    while len(acks) < len(commands):
        packet = socket.receive()
        assert packet, "closed"
        if packet.startswith("43"):
            head, _, _ = packet.partition("[")
            acks[int(head[2:])] = json.loads(packet[len(head) :])[0]
    return [acks[number] for number in range(len(commands))]


@pytest.fixture(params=["sqlite", "mariadb"])
def node(request, start_server):
    """Run a node on each database."""
    if request.param == "sqlite":
        return start_server()
    return start_server(DATABASE_URL=request.getfixturevalue("mariadb").create_database())


def text(bob, number: int) -> list:
    body = {"to_user_id": bob.id, "client_id": f"c{number}", "type": "text", "content": {"text": str(number)}}
    return ["send_message", body]


def test_acks_and_pushes_arrive_in_the_order_of_the_changes(node, device, raw):
    alice, bob = device(node, "alice"), device(node, "bob")
    conversation_id = alice.post("/api/conversations", {"user_id": bob.id})["id"]
    sockets = [raw(node) for _ in range(4)]
    for one, socket in zip([alice, bob] * 2, sockets, strict=True):
        socket.connect({"token": one.tokens["access_token"]})

    for number in range(40):
        for client, socket in enumerate(sockets):
            about = {"conversation_id": conversation_id, "client_id": f"{client}-{number}"}
            body = {**about, "type": "text", "content": {"text": "x"}}
            socket.send(f"42{number}" + json.dumps(["send_message", body]))

    for socket in sockets:
        changes: list[int] = []
        while len(changes) < 160:
            packet = socket.receive()
            assert packet, "closed"
            if found := re.search(r'"change":(\d+)', packet):
                changes.append(int(found[1]))
        assert changes == list(range(1, 161))


def test_fifty_pipelined_messages_are_numbered_in_the_order_sent(node, device, raw):
    alice, bob = device(node, "alice"), device(node, "bob").connect()
    socket = raw(node)
    socket.connect({"token": alice.tokens["access_token"]})

    acks = pipeline(socket, [text(bob, number) for number in range(50)])

    assert [ack["message"]["seq"] for ack in acks] == list(range(1, 51))
    bob.wait_for("message_created", lambda payload: payload["message"]["seq"] == 50)
    conversation = acks[0]["message"]["conversation_id"]
    assert [message["content"]["text"] for message in alice.history(conversation)] == [str(n) for n in range(50)]


def test_a_reading_command_sees_the_messages_sent_before_it(node, device, raw):
    alice, bob = device(node, "alice"), device(node, "bob")
    socket = raw(node)
    socket.connect({"token": alice.tokens["access_token"]})

    commands = [text(bob, number) for number in range(10)] + [["sync", {"conversations": {}}]]
    acks = pipeline(socket, commands)

    [conversation] = acks[-1]["conversations"]
    assert conversation["last_seq"] == 10


def test_a_pipelined_edit_is_applied_after_its_message(node, device, raw):
    alice, bob = device(node, "alice"), device(node, "bob")
    socket = raw(node)
    socket.connect({"token": alice.tokens["access_token"]})
    first = pipeline(socket, [text(bob, 0)])[0]["message"]

    commands = [
        text(bob, 1),
        ["edit_message", {"message_id": f"{first['conversation_id']}-2", "content": {"text": "edited"}}],
        ["recall_message", {"message_id": first["id"]}],
    ]
    acks = pipeline(socket, commands)

    assert [ack["ok"] for ack in acks] == [True, True, True]
    assert acks[1]["message"]["content"] == {"text": "edited"}
