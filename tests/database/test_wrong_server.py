"""The database server answers, but it is read-only or full."""

from contextlib import suppress

import pymysql
import pytest

from tests.durability import oracle
from tests.support.mariadb import MariaDb
from tests.support.ports import wait_for

pytestmark = pytest.mark.slow


@pytest.fixture
def server(tmp_path):
    """Run a MariaDB server, so that the test can change global settings."""
    server = MariaDb(tmp_path / "mariadb")
    yield server
    server.stop()


@pytest.fixture
def url(server) -> str:
    """Make a database of an ordinary account; return its URL. Root may write even to a read-only server."""
    url = server.create_database()
    name = url.rsplit("/", 1)[-1]
    server.query("CREATE USER im@'127.0.0.1'")
    server.query(f"GRANT ALL ON {name}.* TO im@'127.0.0.1'")
    return url.replace("root@", "im@")


def connections(server) -> set[int]:
    """Return the ids of the node's connections."""
    return {row[0] for row in server.query("SELECT id FROM information_schema.processlist WHERE user = 'im'")}


def test_connections_to_a_server_that_became_read_only_are_replaced(server, url, start_server, device, write):
    node = start_server(DATABASE_URL=url)
    alice, bob = device(node, "alice"), device(node, "bob")
    conversation = oracle.private_conversation(alice, bob)
    writer = write(alice, conversation)
    wait_for(lambda: len(writer.acked) > 10, what="the load")
    old = connections(server)

    server.query("SET GLOBAL read_only = 1")
    wait_for(lambda: len(writer.problems) > 3, what="the fault")
    renamed = alice.rest("PATCH", "/api/users/me", {"nickname": "Alice"})
    server.query("SET GLOBAL read_only = 0")
    before = len(writer.acked)
    wait_for(lambda: len(writer.acked) > before + 5, what="the recovery")
    writer.stop()

    assert set(writer.problems) == {"unavailable"}
    assert (renamed.status_code, renamed.json()["code"]) == (503, "unavailable")
    assert old
    assert not old & connections(server), "a connection to the old primary is still in use"
    oracle.hold(conversation, [alice, bob], writer.acked)


def test_a_full_server_only_makes_requests_busy(server, url, start_server, device):
    node = start_server(DATABASE_URL=url, IM_DB_POOL_SIZE="1", IM_DB_POOL_RECYCLE_SECONDS="60")
    alice, bob = device(node, "alice"), device(node, "bob")
    conversation = oracle.private_conversation(alice, bob)
    oracle.send(alice, conversation, "first")

    server.query("SET GLOBAL max_connections = 10")
    for connection in connections(server):
        server.query(f"KILL CONNECTION {connection}")
    crowd = crowd_of(server)
    refused = [
        oracle.send(alice, conversation, "second"),
        alice.rest("POST", "/api/sync", {"conversations": {}}),
    ]
    for connection in crowd:
        connection.close()
    wait_for(lambda: oracle.send(alice, conversation, "second").ok, what="the recovery")

    assert [(answer.status_code, answer.json()["code"]) for answer in refused] == [(503, "busy")] * 2
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in refused)
    assert [message["client_id"] for message in bob.history(conversation)] == ["first", "second"]


def crowd_of(server) -> list[pymysql.Connection]:
    """Open every connection that the server grants to ordinary accounts."""
    crowd: list[pymysql.Connection] = []
    with suppress(pymysql.err.OperationalError):
        while len(crowd) < 20:
            crowd.append(pymysql.connect(host="127.0.0.1", port=server.port, user="im"))
    assert len(crowd) < 20, "the server is not full"
    return crowd
