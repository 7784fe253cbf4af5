"""A stopping node finishes what it has accepted, closes every socket, and exits soon."""

import threading
from uuid import uuid4

import pytest

from tests.support.ports import wait_for


@pytest.mark.parametrize("transports", [["websocket"], ["polling"]], ids=["websocket", "polling"])
def test_open_sockets_are_closed_and_do_not_delay_the_stop(start_server, device, transports):
    server = start_server(IM_SHUTDOWN_TIMEOUT_SECONDS="100")  # longer than `stop` waits
    devices = [device(server, "user").connect(transports=transports) for _ in range(5)]

    server.stop()

    assert server.process.returncode == 0
    wait_for(lambda: not any(one.sio.connected for one in devices), what="the end of all connections")


def test_a_stop_leaves_a_clean_log(start_server, device):
    server = start_server()
    device(server, "user").connect()

    server.stop()

    assert "Traceback" not in server.log
    assert " ERROR " not in server.log
    assert " WARNING " not in server.log


def test_acknowledged_messages_are_stored_after_a_restart(start_server, device):
    server = start_server()
    alice, bob = device(server, "alice").connect(), device(server, "bob")
    conversation_id = alice.send("first", to_user_id=bob.id)["message"]["conversation_id"]
    acknowledged = ["first"]
    acks = threading.Lock()

    def note(text, ack):
        with acks:
            if ack["ok"]:
                acknowledged.append(text)

    for number in range(300):
        text = f"message {number}"
        body = {"client_id": uuid4().hex, "type": "text", "content": {"text": text}}
        alice.sio.emit(
            "send_message",
            {"conversation_id": conversation_id, **body},
            callback=lambda ack, text=text: note(text, ack),
        )
    wait_for(lambda: len(acknowledged) > 1, what="the first ack")
    server.stop()
    server.start()

    stored = [message["content"]["text"] for message in alice.history(conversation_id)]
    assert set(acknowledged) <= set(stored)
    assert len(stored) == len(set(stored))
    assert stored[1:] == [f"message {number}" for number in range(len(stored) - 1)]
