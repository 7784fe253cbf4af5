"""Three nodes, each on its own Galera member: every member accepts writes, and row locks hold on one member only."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.durability import oracle
from tests.support.ports import wait_for

pytestmark = pytest.mark.timeout(240)

#: Error codes that a client may get while the database is away.
AWAY = {"busy", "unavailable"}


def test_a_killed_member_loses_nothing_and_no_number_is_assigned_twice(galera, start_on, device, write):
    nodes = start_on(galera.create_database())
    alice, bob = device(nodes[0], "alice"), device(nodes[0], "bob")
    shared = oracle.private_conversation(alice, bob)
    own = [oracle.private_conversation(alice, device(nodes[0], "peer")) for _ in nodes]
    writers = [write(alice.at(node), shared) for node in nodes]
    writers += [write(alice.at(node), conversation) for node, conversation in zip(nodes, own, strict=True)]
    wait_for(lambda: all(len(writer.acked) > 20 for writer in writers), what="the load")

    galera.members[2].kill()
    wait_for(lambda: writers[2].problems and writers[5].problems, what="the fault")
    before = [len(writer.acked) for writer in writers]
    survivors = [0, 1, 3, 4]
    wait_for(lambda: all(len(writers[n].acked) > before[n] + 5 for n in survivors), what="the survivors' recovery")
    galera.heal()
    wait_for(lambda: all(len(w.acked) > n + 5 for w, n in zip(writers, before, strict=True)), what="the recovery")
    for writer in writers:
        writer.stop()

    assert {problem for writer in writers for problem in writer.problems} <= AWAY
    acked = {client_id: seq for writer in writers[:3] for client_id, seq in writer.acked.items()}
    assert len(set(acked.values())) == len(acked), "a number was assigned twice"
    oracle.hold(shared, [reader.at(node) for node in nodes for reader in (alice, bob)], acked)
    for writer, conversation in zip(writers[3:], own, strict=True):
        history = oracle.hold(conversation, [alice.at(node) for node in nodes], writer.acked)
        oracle.hold_in_order(history, alice, list(writer.acked))


def test_a_read_on_a_lagging_member_waits_for_an_acknowledged_message(galera, start_on, device):
    nodes = start_on(galera.create_database()[:2])
    alice, bob = device(nodes[0], "alice"), device(nodes[0], "bob").at(nodes[1])
    conversation = oracle.private_conversation(alice, bob)
    bob.post("/api/sync", {"conversations": {}})

    with ThreadPoolExecutor() as pool, galera.members[1].lagging():
        acknowledged = oracle.send(alice, conversation, "first").json()["message"]["seq"]
        answer = pool.submit(bob.post, "/api/sync", {"conversations": {}})
        time.sleep(0.5)
        is_waiting = not answer.done()
    read = answer.result()["conversations"][0]["last_seq"]

    assert is_waiting
    assert read == acknowledged


def test_a_message_sent_to_all_members_at_once_is_one_message(galera, start_on, device):
    nodes = start_on(galera.create_database())
    alice, bob = device(nodes[0], "alice"), device(nodes[0], "bob")
    conversation = oracle.private_conversation(alice, bob)

    with ThreadPoolExecutor(6) as pool:
        answers = [
            list(pool.map(lambda node, n=n: oracle.send(alice.at(node), conversation, f"m{n}"), nodes * 2))
            for n in range(10)
        ]
    other = oracle.body("m0") | {"content": {"text": "another text"}}
    refused = [alice.at(node).rest("POST", f"/api/conversations/{conversation}/messages", other) for node in nodes]

    assert all(answer.ok for batch in answers for answer in batch)
    for batch in answers:
        told = [answer.json() for answer in batch]
        assert len({one["message"]["seq"] for one in told}) == 1
        assert sum(not one["duplicate"] for one in told) == 1
    assert {answer.status_code for answer in refused} == {409}
    assert len(bob.at(nodes[2]).history(conversation)) == 10


def test_a_member_without_its_cluster_is_unavailable_and_recovers_by_itself(galera, start_on, device, write):
    url = galera.create_database()[0]
    (node,) = start_on([url])
    alice, bob = device(node, "alice"), device(node, "bob")
    conversation = oracle.private_conversation(alice, bob)
    writer = write(alice, conversation)
    wait_for(lambda: len(writer.acked) > 20, what="the load")

    for member in galera.members[1:]:
        member.freeze()
    try:
        wait_for(lambda: len(writer.problems) > 5, what="the fault")
        read = alice.rest("POST", "/api/sync", {"conversations": {}})
        is_ready = node.is_ready
    finally:
        for member in galera.members[1:]:
            member.thaw()
    before, began = len(writer.acked), time.monotonic()
    wait_for(lambda: len(writer.acked) > before + 5, what="the recovery")
    healed = time.monotonic() - began
    writer.stop()

    assert set(writer.problems) <= AWAY
    assert read.status_code == 503
    assert not is_ready
    assert healed < 15
    oracle.hold_in_order(oracle.hold(conversation, [alice, bob], writer.acked), alice, list(writer.acked))
