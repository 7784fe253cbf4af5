"""A conversation locked by another transaction delays writes to itself and to no other."""

import threading
import time

import pytest
from sqlalchemy import text

from imapp.database.engines import CommitterEngine
from imapp.errors import UnavailableError
from imapp.extensions import db
from imapp.node import node_of
from imapp.services.messaging.private_conversations import open_private
from imapp.services.write_path import committer
from imapp.services.write_path.message_rules import Body, Send
from tests.accounts import bearer, register
from tests.support.people import create_users
from tests.support.ports import wait_for


@pytest.fixture(params=["mariadb"])
def database(request) -> str:
    """Use MariaDB alone: SQLite has one writer."""
    return request.param


@pytest.fixture
def chats(app):
    """Return Ada's id and the ids of her conversations with two others."""
    ada, bob, cy = create_users("ada", "bob", "cy")
    return ada, open_private(ada, bob)[0], open_private(ada, cy)[0]


@pytest.fixture
def lock(app):
    """Provide `lock(conversation)`, which locks it in another transaction until the returned function is called."""
    connections = []

    def hold(conversation_id):
        connection = db.engine.connect()
        connection.execute(text("SELECT id FROM conversations WHERE id = :id FOR UPDATE"), {"id": conversation_id})
        connections.append(connection)

        def release():
            connection.rollback()
            connection.close()

        return release

    yield hold
    for connection in connections:
        connection.close()


def send(user_id, conversation_id, name):
    """Queue a text; return the list that will hold its outcome and the time of it."""
    told = []
    op = Send(user_id, conversation_id, Body(client_id=name, kind="text", content=b'{"text":"hello"}'))
    committer.submit(op, lambda outcome: told.append((outcome, time.monotonic())))
    return told


def test_other_conversations_are_written_while_one_is_locked(chats, lock):
    ada, locked, free = chats
    release = lock(locked)
    waiting = [send(ada, locked, f"locked{number}") for number in range(3)]
    began = time.monotonic()
    others = []
    while time.monotonic() - began < 4:
        others.append((time.monotonic(), send(ada, free, f"free{len(others)}")))
        time.sleep(0.1)
    wait_for(lambda: all(told for _, told in others), what="the answers")
    assert not any(waiting)

    release()
    wait_for(lambda: all(waiting), what="the answers of the locked conversation")

    waits = sorted(told[0][1] - sent for sent, told in others)
    assert waits[-1] < 3, "more than the one wait that detects the lock"
    assert waits[len(waits) * 3 // 4] < 0.5
    assert [told[0][0]["message"]["seq"] for told in waiting] == [1, 2, 3]


def test_writes_to_a_conversation_that_stays_locked_are_finally_refused(make_app, lock, monkeypatch, chats):
    ada, locked, free = chats
    monkeypatch.setattr(committer.current(), "_patience", 3.0)
    lock(locked)
    told = send(ada, locked, "never")

    wait_for(lambda: told, what="the refusal")

    assert isinstance(told[0][0], UnavailableError)
    assert committer.current().state().waiting == 0
    assert committer.run(Send(ada, free, Body(client_id="x", kind="text", content=b'{"text":"hello"}')))


def test_a_closing_committer_waits_for_a_lock_as_for_any_write(chats, lock):
    ada, locked, _ = chats
    release = lock(locked)
    told = send(ada, locked, "late")
    threading.Timer(2, release).start()

    committer.current().close()

    assert told[0][0]["message"]["seq"] == 1


@pytest.fixture
def small_pool(make_app):
    """Provide an app with few connections to the database; the locks of these tests use two of them."""
    app = make_app(db_pool_size=5, db_pool_overflow=0, db_pool_timeout_seconds=2)
    with app.app_context():
        yield app


def test_changes_of_a_locked_group_leave_connections_for_other_requests(small_pool, lock):
    client = small_pool.test_client()
    ada = register(client, "ada")
    [locked, free] = [
        client.post("/api/groups", json={"name": name}, headers=bearer(ada)).json["id"] for name in ("locked", "free")
    ]
    release = lock(locked)
    answers = []

    def rename(number):
        body = {"name": f"name {number}"}
        answers.append(
            small_pool.test_client().patch(f"/api/groups/{locked}", json=body, headers=bearer(ada)).json["code"]
        )

    threads = [threading.Thread(target=rename, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    others = []
    while any(thread.is_alive() for thread in threads):
        others.append(client.get("/api/conversations", headers=bearer(ada)).status_code)
        others.append(client.patch(f"/api/groups/{free}", json={"name": "x"}, headers=bearer(ada)).status_code)
        assert send(ada["user"]["id"], free, f"free{len(others)}") is not None
        time.sleep(0.05)
    release()

    assert answers == ["busy"] * 20
    assert set(others) == {200}
    assert client.patch(f"/api/groups/{locked}", json={"name": "new"}, headers=bearer(ada)).status_code == 200


def test_the_database_ends_a_transaction_abandoned_by_its_node(app):
    for engine in (db.engine, node_of(app).part(CommitterEngine).engine):
        with engine.connect() as connection:
            assert connection.scalar(text("SELECT @@SESSION.idle_transaction_timeout")) == 30
