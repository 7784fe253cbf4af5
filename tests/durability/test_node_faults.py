"""The node is killed or frozen while clients send and retry."""

import time

import pytest

from tests.durability import oracle

pytestmark = pytest.mark.timeout(240)


def burst_of(conversation_id: int, count: int) -> list[dict]:
    return [oracle.body(f"m{number}", conversation_id=conversation_id) for number in range(count)]


def acked(results: list[dict]) -> dict[str, int]:
    messages = [result["ack"]["message"] for result in results]
    return {message["client_id"]: message["seq"] for message in messages}


def test_a_node_killed_in_a_burst_loses_and_doubles_nothing(start_node, device, npm):
    server = start_node()
    alice, bob = device(server, "alice"), device(server, "bob")
    conversation = oracle.private_conversation(alice, bob)
    sender = npm(server.url, alice, transports=["websocket"])
    messages = burst_of(conversation, 300)

    order = sender.begin("burst", messages=messages)
    sender.wait_for("burst_acked", lambda payload: payload["client_id"] == "m40")
    server.kill()
    acked_before = len(sender.received("burst_acked"))
    server.start()
    results = sender.finish(order, timeout=120)["results"]

    assert acked_before < len(messages), "the kill came too late"
    assert sender.received("disconnect"), "the kill was not felt"
    history = oracle.hold(conversation, [alice, bob], acked(results))
    oracle.hold_in_order(history, alice, [message["client_id"] for message in messages])


def test_a_node_killed_with_many_sends_in_flight_stores_each_once(start_node, device, npm):
    server = start_node()
    alice, bob = device(server, "alice"), device(server, "bob")
    conversation = oracle.private_conversation(alice, bob)
    sender = npm(server.url, alice, transports=["websocket"])

    order = sender.begin("burst", messages=burst_of(conversation, 400), width=20)
    sender.wait_for("burst_acked", lambda payload: payload["client_id"] == "m60")
    server.kill()
    assert len(sender.received("burst_acked")) < 400, "the kill came too late"
    server.start()
    results = sender.finish(order, timeout=120)["results"]

    history = oracle.hold(conversation, [alice, bob], acked(results))
    assert len(history) == 400


def test_a_thawed_node_doubles_nothing(start_node, device, npm):
    server = start_node(IM_PING_INTERVAL_SECONDS="2", IM_PING_TIMEOUT_SECONDS="1")
    alice, bob = device(server, "alice"), device(server, "bob").connect()
    conversation = oracle.private_conversation(alice, bob)
    sender = npm(server.url, alice, transports=["websocket"])

    order = sender.begin("burst", messages=burst_of(conversation, 200), timeout=300, width=4)
    sender.wait_for("burst_acked", lambda payload: payload["client_id"] == "m20")
    server.freeze()
    time.sleep(2.5)
    server.thaw()
    results = sender.finish(order, timeout=120)["results"]

    assert max(result["attempts"] for result in results) > 1, "the freeze was not felt"
    history = oracle.hold(conversation, [alice, bob], acked(results))
    assert len(history) == 200
    # A retried message is pushed again, in case the first push was lost: with the same change, so that clients drop it.
    pushed = {(payload["message"]["id"], payload["message"]["change"]) for payload in bob.received("message_created")}
    assert len(pushed) == len({message_id for message_id, _ in pushed})
