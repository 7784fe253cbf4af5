"""A message retried at another node on the same database is stored once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import requests

from tests.durability import oracle
from tests.support.ports import wait_for


@pytest.fixture
def nodes(mariadb, start_on):
    """Run three nodes on one MariaDB."""
    return start_on([mariadb.create_database()] * 3)


def test_a_message_sent_to_all_nodes_at_once_is_one_message(nodes, device):
    alice, bob = device(nodes[0], "alice"), device(nodes[1], "bob")
    conversation = oracle.private_conversation(alice, bob)

    with ThreadPoolExecutor(6) as pool:
        answers = [
            list(pool.map(lambda node, n=n: oracle.send(alice.at(node), conversation, f"m{n}"), nodes * 2))
            for n in range(20)
        ]
    other = oracle.body("m0") | {"content": {"text": "another text"}}
    refused = [alice.at(node).rest("POST", f"/api/conversations/{conversation}/messages", other) for node in nodes]

    told = [[answer.json() for answer in batch] for batch in answers]
    assert all(len({one["message"]["seq"] for one in batch}) == 1 for batch in told)
    assert all(sum(not one["duplicate"] for one in batch) == 1 for batch in told)
    assert {answer.status_code for answer in refused} == {409}
    assert len(bob.history(conversation)) == 20


def test_sends_without_an_answer_from_a_killed_node_are_settled_at_another(nodes, device):
    alice, bob = device(nodes[0], "alice"), device(nodes[1], "bob")
    conversation = oracle.private_conversation(alice, bob)
    acked: dict[str, int] = {}
    is_killed = threading.Event()

    def send_on(sender: int) -> list[str]:
        """Send until the node is gone; return the id that got no answer."""
        for number in range(100_000):
            client_id = f"{sender}-{number}"
            with suppress(requests.RequestException):
                acked[client_id] = oracle.send(alice, conversation, client_id).json()["message"]["seq"]
                continue
            assert is_killed.wait(10)
            return [client_id]
        return []

    with ThreadPoolExecutor(8) as pool:
        senders = [pool.submit(send_on, number) for number in range(8)]
        wait_for(lambda: len(acked) > 100, what="the load")
        nodes[0].kill()
        is_killed.set()
        left_open = [client_id for sender in senders for client_id in sender.result()]
    for client_id in left_open + list(acked)[-20:]:
        answer = oracle.send(alice.at(nodes[2]), conversation, client_id).json()
        assert acked.setdefault(client_id, answer["message"]["seq"]) == answer["message"]["seq"]

    assert len(left_open) == 8
    oracle.hold(conversation, [alice.at(nodes[1]), bob.at(nodes[2])], acked)
