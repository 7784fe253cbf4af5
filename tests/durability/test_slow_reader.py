"""A client that pauses reading gets every frame whole (drill R21)."""

import json
import time
from uuid import uuid4

import pytest

from tests.durability import oracle
from tests.support.clients.raw import RawSocket

pytestmark = pytest.mark.timeout(240)

#: Bytes of the reader's socket buffer: few, so that the server's sends have to wait in the middle of frames.
RECEIVE_BUFFER = 4096


@pytest.fixture
def slow_socket():
    """Provide `slow_socket(server, device)`, which connects a WebSocket with a small buffer as the device's user."""
    opened = []

    def connect(server, device) -> RawSocket:
        opened.append(RawSocket(server.url, timeout=60, receive_buffer=RECEIVE_BUFFER))
        opened[-1].log_in(device.tokens["access_token"])
        return opened[-1]

    yield connect
    for one in opened:
        one.close()


def read_messages(reader: RawSocket, count: int) -> list[dict]:
    """Read whole frames until `count` messages have arrived; each frame must parse."""
    messages = []
    while len(messages) < count:
        packet = reader.receive()
        assert packet.startswith("42"), packet[:80]
        event, payload = json.loads(packet[2:])
        if event == "message_created":
            messages.append(payload["message"])
    return messages


@pytest.fixture(params=["engine", "stock"])
def server(request, start_server):
    """Run a node on each transport."""
    return start_server(IM_MESSAGE_CONTENT_MAX_BYTES="60000", IM_TRANSPORT=request.param)


@pytest.mark.parametrize(("count", "size"), [(40, 30_000), (3000, 1000)], ids=["large", "many"])
def test_a_reader_that_pauses_gets_every_frame_whole(server, device, slow_socket, count, size):
    alice, bob = device(server, "alice").connect(transports=["websocket"]), device(server, "bob")
    conversation = oracle.private_conversation(alice, bob)
    reader = slow_socket(server, bob)
    fills = {f"m{number}": chr(97 + number % 26) * size for number in range(count)}
    acks = []

    for client_id, fill in fills.items():
        message = {"client_id": client_id, "type": "custom", "content": {"fill": fill}, "conversation_id": conversation}
        alice.sio.emit("send_message", message, callback=acks.append)
    time.sleep(1.5)
    received = read_messages(reader, count)

    assert [message["seq"] for message in received] == list(range(1, count + 1))
    assert {message["client_id"]: message["content"]["fill"] for message in received} == fills
    assert all(ack["ok"] for ack in acks)


def test_a_slow_reader_does_not_hold_up_the_others(start_server, device, slow_socket):
    server = start_server(IM_MESSAGE_CONTENT_MAX_BYTES="60000")
    alice, bob, carol = (device(server, name) for name in ("alice", "bob", "carol"))
    alice.connect(transports=["websocket"])
    carol.connect(transports=["websocket"])
    group = alice.post("/api/groups", {"name": "three", "member_ids": [bob.id, carol.id]})["id"]
    slow_socket(server, bob)

    for _ in range(40):
        content = {"fill": "x" * 30_000}
        body = {"client_id": uuid4().hex, "type": "custom", "content": content, "conversation_id": group}
        began = time.monotonic()
        assert alice.call("send_message", body)["ok"]
        assert time.monotonic() - began < 20

    carol.wait_for("message_created", lambda payload: payload["message"]["type"] == "custom")
    assert len(alice.history(group)) >= 40
