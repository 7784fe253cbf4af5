"""The ack is lost and the client retries, or sends one message several times at once over the socket and REST."""

import threading
from uuid import uuid4

import pytest
import requests

from tests.durability import oracle
from tests.support.clients.official import Device
from tests.support.ports import wait_for

pytestmark = pytest.mark.timeout(180)


def test_a_retry_after_a_lost_ack_gets_the_stored_message(start_node, device, npm, proxy):
    server = start_node()
    network = proxy(server)
    alice, bob = device(server, "alice"), device(server, "bob")
    conversation = oracle.private_conversation(alice, bob)
    sender = npm(network.url, alice, transports=["websocket"])
    message = oracle.body("lost", conversation_id=conversation)

    network.swallows = True
    order = sender.begin("burst", messages=[message], timeout=1_000)
    wait_for(lambda: bob.history(conversation), what="the commit")
    [stored] = bob.history(conversation)
    network.swallows = False
    network.cut()
    [result] = sender.finish(order, timeout=60)["results"]

    assert network.swallowed > 0, "nothing was lost"
    assert result["attempts"] > 1
    assert result["ack"]["duplicate"] is True
    assert result["ack"]["message"] == stored
    assert bob.history(conversation) == [stored]


def test_a_retry_by_rest_after_a_lost_answer_gets_the_same_message(start_node, device, proxy):
    server = start_node()
    network = proxy(server)
    alice, bob = device(server, "alice"), device(server, "bob")
    conversation = oracle.private_conversation(alice, bob)
    network.swallows = True
    headers = {"Authorization": f"Bearer {alice.tokens['access_token']}"}
    path = f"{network.url}/api/conversations/{conversation}/messages"

    with pytest.raises((requests.Timeout, requests.ConnectionError)):
        requests.post(path, json=oracle.body("lost"), headers=headers, timeout=3)
    retried = oracle.send(alice, conversation, "lost")

    assert network.swallowed > 0, "nothing was lost"
    assert retried.status_code == 200
    assert retried.json()["duplicate"] is True
    assert bob.history(conversation) == [retried.json()["message"]]


def at_both_doors(alice: Device, conversation_id: int, bodies: list[dict]) -> list[dict]:
    """Send all at the same moment, alternately over the socket and REST; return acks in the format of the socket's."""
    start = threading.Barrier(len(bodies))
    answers: list[dict] = [{} for _ in bodies]

    def run(index: int, message: dict) -> None:
        start.wait(30)
        if index % 2:
            answers[index] = alice.call("send_message", {**message, "conversation_id": conversation_id}, timeout=60)
            return
        answer = alice.rest("POST", f"/api/conversations/{conversation_id}/messages", message)
        told = answer.json()
        answers[index] = (
            {"ok": True, **told} if answer.ok else {"ok": False, "error": told, "status": answer.status_code}
        )

    threads = [threading.Thread(target=run, args=(index, one)) for index, one in enumerate(bodies)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    return answers


def test_one_client_id_over_socket_and_rest_at_once_is_one_message(start_node, device):
    server = start_node()
    alice, bob = device(server, "alice").connect(), device(server, "bob")
    conversation = oracle.private_conversation(alice, bob)

    for _ in range(5):
        client_id = uuid4().hex
        answers = at_both_doors(alice, conversation, [oracle.body(client_id)] * 12)

        assert [answer["ok"] for answer in answers] == [True] * 12
        assert sorted(answer["duplicate"] for answer in answers) == [False] + [True] * 11
        assert len({answer["message"]["id"] for answer in answers}) == 1

    assert len(oracle.hold(conversation, [alice, bob], {})) == 5


def test_one_client_id_with_two_bodies_at_once_gives_one_message_and_a_conflict(start_node, device):
    server = start_node()
    alice, bob = device(server, "alice").connect(), device(server, "bob")
    conversation = oracle.private_conversation(alice, bob)
    bodies = [{**oracle.body("same"), "content": {"text": text}} for text in ("a", "a", "b", "b") * 3]

    answers = at_both_doors(alice, conversation, bodies)

    [stored] = oracle.hold(conversation, [alice, bob], {})
    for message, answer in zip(bodies, answers, strict=True):
        assert answer["ok"] is (message["content"] == stored["content"]), answer
        if not answer["ok"]:
            assert answer["error"]["code"] == "client_id_conflict"
            assert answer.get("status", 409) == 409
