"""An application's use of either official client: connect, send, receive, reconnect, catch up."""

from uuid import uuid4

import pytest
import socketio

TRANSPORTS = [
    pytest.param(["websocket"], "websocket", id="websocket only"),
    pytest.param(["polling"], "polling", id="polling only"),
    pytest.param(["polling", "websocket"], "websocket", id="polling, upgraded"),
]


def text(words: str, **target: int) -> dict:
    return {"client_id": uuid4().hex, "type": "text", "content": {"text": words}, **target}


@pytest.mark.parametrize(("transports", "ends_with"), TRANSPORTS)
def test_a_client_sends_and_receives_over_each_transport(server, device, client_of, transports, ends_with):
    alice, bob = device(server, "alice"), device(server, "bob")
    sender, reader = client_of(alice), client_of(bob)
    sender.connect(transports=transports)
    reader.connect(transports=transports)
    sender.wait_connected(to=ends_with)
    reader.wait_connected(to=ends_with)

    ack = sender.call("send_message", text("hello", to_user_id=bob.id))

    assert ack["ok"]
    assert ack["duplicate"] is False
    assert reader.wait_for("message_created") == {"message": ack["message"]}


def test_a_client_receives_a_message_sent_by_rest(server, device, client_of):
    alice, bob = device(server, "alice"), device(server, "bob")
    reader = client_of(bob)
    reader.connect(transports=["websocket"])
    conversation = alice.post("/api/conversations", {"user_id": bob.id})

    sent = alice.post(f"/api/conversations/{conversation['id']}/messages", text("by REST"))

    assert reader.wait_for("message_created") == {"message": sent["message"]}


def test_a_command_that_fails_is_acknowledged_with_its_error(server, device, client_of):
    sender = client_of(device(server, "alice"))
    sender.connect(transports=["websocket"])

    ack = sender.call("send_message", text("to nobody", to_user_id=987654321))

    assert ack["ok"] is False
    assert ack["error"]["code"] == "not_found"


@pytest.mark.parametrize("transports", [["websocket"], ["polling"]], ids=["websocket", "polling"])
def test_the_python_client_is_told_why_it_was_refused(server, transports):
    client, told = socketio.Client(reconnection=False), []
    client.on("connect_error", told.append)

    with pytest.raises(socketio.exceptions.ConnectionError):
        client.connect(server.url, auth={"token": "no.such.token"}, transports=transports)

    assert told[0]["message"]
    assert told[0]["data"]["code"] == "invalid_token"


@pytest.mark.parametrize("transports", [["websocket"], ["polling"]], ids=["websocket", "polling"])
def test_the_npm_client_is_told_why_it_was_refused(server, npm, transports):
    refused = npm().connect(server.url, "no.such.token", transports=transports)

    error = refused.wait_for("connect_error")

    assert error["message"]
    assert error["data"]["code"] == "invalid_token"
    assert refused.received("connect") == []


@pytest.mark.timeout(240)
@pytest.mark.parametrize("transports", [["websocket"], ["polling"]], ids=["websocket", "polling"])
def test_a_client_reconnects_after_a_crash_and_catches_up_by_sync(start_server, device, client_of, transports):
    server = start_server()
    alice, bob = device(server, "alice"), device(server, "bob")
    conversation = alice.post("/api/conversations", {"user_id": bob.id})["id"]
    reader = client_of(bob)
    reader.connect(transports=transports)
    before = alice.post(f"/api/conversations/{conversation}/messages", text("before"))["message"]
    reader.wait_for("message_created")
    server.kill()
    reader.wait_disconnected()

    server.start()
    missed = alice.post(f"/api/conversations/{conversation}/messages", text("while away, or not"))["message"]
    reader.wait_connected()
    answer = reader.call("sync", {"conversations": {str(conversation): before["change"]}})

    assert answer["ok"]
    [caught_up] = [one for one in answer["conversations"] if one["id"] == conversation]
    assert [change["message"] for change in caught_up["changes"] if change["event"] == "message_created"] == [missed]
    assert caught_up["last_seq"] == missed["seq"]
    live = alice.post(f"/api/conversations/{conversation}/messages", text("live again"))["message"]
    reader.wait_for("message_created", lambda payload: payload["message"] == live)
