"""MariaDB is killed, frozen, made to drop connections, contended and starved of connections under load."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.durability import oracle
from tests.support.ports import wait_for

pytestmark = pytest.mark.timeout(240)

#: Error codes that a client may get while the database is away.
AWAY = {"busy", "unavailable"}


@pytest.fixture
def node(own_mariadb, start_server):
    """Provide `node(**environ)`, which starts a node on the database that the test harms."""
    return lambda **environ: start_server(DATABASE_URL=own_mariadb.create_database(), **environ)


def test_a_killed_database_loses_nothing_that_was_acknowledged(node, own_mariadb, device, write):
    server = node()
    alice, bob = device(server, "alice"), device(server, "bob")
    conversation = oracle.private_conversation(alice, bob)
    writers = [write(alice, conversation), write(bob, conversation)]
    wait_for(lambda: all(len(writer.acked) > 20 for writer in writers), what="the load")

    own_mariadb.kill()
    wait_for(lambda: all(writer.problems for writer in writers), what="the fault")
    own_mariadb.start()
    before = [len(writer.acked) for writer in writers]
    wait_for(lambda: all(len(w.acked) > n for w, n in zip(writers, before, strict=True)), what="the recovery")
    for writer in writers:
        writer.stop()

    assert {problem for writer in writers for problem in writer.problems} <= AWAY
    oracle.hold(conversation, [alice, bob], writers[0].acked | writers[1].acked)
    for writer in writers:
        history = alice.history(conversation)
        oracle.hold_in_order(history, writer.device, list(writer.acked))


def test_a_frozen_database_only_makes_requests_fail_in_bounded_time(node, own_mariadb, device, write):
    server = node(IM_DB_READ_TIMEOUT_SECONDS="1", IM_DB_WRITE_TIMEOUT_SECONDS="1", IM_DB_CONNECT_TIMEOUT_SECONDS="1")
    worker = server.worker
    alice, bob = device(server, "alice"), device(server, "bob").connect()
    conversation = oracle.private_conversation(alice, bob)
    writer = write(alice, conversation)
    wait_for(lambda: len(writer.acked) > 10, what="the load")

    own_mariadb.freeze()
    try:
        time.sleep(6)
        answered_while_frozen = bob.call("ping_server", {}, timeout=3)
    finally:
        own_mariadb.thaw()
    before = len(writer.acked)
    wait_for(lambda: len(writer.acked) > before + 5, what="the recovery")
    writer.stop()

    assert answered_while_frozen["ok"], "the event loop stood still"
    assert writer.problems, "the freeze was not felt"
    assert set(writer.problems) <= AWAY
    assert writer.slowest < 6, "a request waited longer than its bounds"
    assert server.worker == worker
    history = oracle.hold(conversation, [alice, bob], writer.acked)
    oracle.hold_in_order(history, alice, list(writer.acked))


def test_idle_connections_dropped_by_the_database_cause_no_failures(node, own_mariadb, device):
    own_mariadb.query("SET GLOBAL wait_timeout = 2")
    server = node()
    alice, bob = device(server, "alice").connect(), device(server, "bob")
    conversation = alice.send("first", to_user_id=bob.id)["message"]["conversation_id"]
    assert own_mariadb.connections(), "nothing is connected"

    wait_for(lambda: not own_mariadb.connections(), what="the end of the idle connections")

    alice.send("second", conversation_id=conversation)
    assert oracle.send(alice, conversation, "third").status_code == 201
    assert len(bob.history(conversation)) == 3


def test_connections_cut_under_load_cause_only_retries(node, own_mariadb, device, write):
    server = node()
    alice, bob = device(server, "alice"), device(server, "bob")
    conversation = oracle.private_conversation(alice, bob)
    writer = write(alice, conversation)
    wait_for(lambda: len(writer.acked) > 10, what="the load")

    cut = 0
    for _ in range(30):
        cut += own_mariadb.cut_connections()
        time.sleep(0.1)
    writer.stop()

    assert cut > 10, "nothing was cut"
    assert set(writer.problems) <= AWAY
    history = oracle.hold(conversation, [alice, bob], writer.acked)
    oracle.hold_in_order(history, alice, list(writer.acked))


def test_fifty_writers_and_group_changes_leave_no_hole(start_node, device):
    server = start_node()
    owner, member = device(server, "owner").connect(), device(server, "member").connect()
    group = owner.post("/api/groups", {"name": "crowd", "member_ids": [member.id]})["id"]
    start = threading.Barrier(50)

    def work(number: int) -> list[dict]:
        start.wait(60)
        if number % 10 == 0:
            renamed = [owner.rest("PATCH", f"/api/groups/{group}", {"name": f"crowd {number} {n}"}) for n in range(3)]
            assert all(answer.ok for answer in renamed), [answer.text for answer in renamed]
            return []
        sender = (owner, member)[number % 2]
        return [sender.send(f"{number}-{n}", client_id=f"{number}-{n}", conversation_id=group) for n in range(4)]

    with ThreadPoolExecutor(50) as pool:
        acks = [ack for batch in pool.map(work, range(50)) for ack in batch]

    acked = {ack["message"]["client_id"]: ack["message"]["seq"] for ack in acks}
    assert len(acked) == 45 * 4
    history = oracle.hold(group, [owner, member], acked)
    assert sum(message["type"] == "system" for message in history) >= 15
    changes = [message["change"] for message in history]
    assert changes == sorted(set(changes))


def test_with_too_few_connections_requests_wait_or_get_busy(node, own_mariadb, device):
    server = node(IM_DB_POOL_SIZE="2", IM_DB_POOL_OVERFLOW="0", IM_DB_POOL_TIMEOUT_SECONDS="1")
    alice, bob = device(server, "alice"), device(server, "bob")
    conversation = alice.post("/api/conversations", {"user_id": bob.id})["id"]
    oracle.send(alice, conversation, "first")

    name = server.environ["DATABASE_URL"].rpartition("/")[2]
    with ThreadPoolExecutor(20) as pool, own_mariadb.locked(f"{name}.conversation_members") as unlock:
        began = time.monotonic()
        asked = [pool.submit(alice.rest, "POST", "/api/sync", {"conversations": {}}) for _ in range(20)]
        time.sleep(2)
        unlock()
        answers = [one.result(60) for one in asked]

    assert time.monotonic() - began < 60
    refused = [answer for answer in answers if not answer.ok]
    assert refused, "the pool was never exhausted"
    assert {(answer.status_code, answer.json()["code"]) for answer in refused} == {(503, "busy")}
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in refused)
    assert alice.post("/api/sync", {"conversations": {}})["conversations"][0]["last_seq"] == 1


def test_a_command_returns_its_connection_to_the_pool(node, device):
    """Commands share the app context of a reused greenlet; the connection that they read with must not stay with it."""
    server = node(IM_DB_POOL_SIZE="1", IM_DB_POOL_OVERFLOW="0", IM_DB_POOL_TIMEOUT_SECONDS="2")
    alice = device(server, "alice").connect(transports=["websocket"])

    for _ in range(3):
        assert alice.call("sync", {"conversations": {}})["ok"]
        assert alice.get("/api/users/me")["id"] == alice.id
