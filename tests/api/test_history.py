"""The statistics of the last day over REST, from one node's memory. Several nodes: tests/cluster/test_history.py."""

import time

import pytest

from imapp.cluster.history import MOST_STEPS
from imapp.cluster.registry import presence
from imapp.cluster.registry.registry import ConnectionInfo
from imapp.database.transactions import atomic
from imapp.extensions import socketio
from imapp.models.users import User
from imapp.schemas.messages import MessageDraft
from imapp.services.messaging import messages
from imapp.services.messaging.private_conversations import open_private
from imapp.services.operations.sampler import Sampler, end_of_step
from tests.accounts import bearer, register
from tests.support.people import create_users


@pytest.fixture
def operator(app, client):
    tokens = register(client, "olga")

    def promote(session):
        session.get(User, tokens["user"]["id"]).is_operator = True

    atomic(promote)
    return bearer(tokens)


@pytest.fixture
def history(client, operator):
    """Provide `history(**query)`, which returns the answer's JSON."""

    def ask(**query):
        answer = client.get("/api/admin/history", query_string=query, headers=operator)
        assert answer.status_code == 200, answer.text
        return answer.json

    return ask


@pytest.fixture
def minute():
    """Return the end of the latest minute."""
    return int(time.time()) // 60 * 60


def write(sender, conversation, *client_ids):
    for client_id in client_ids:
        messages.send(sender, conversation, MessageDraft(client_id=client_id, type="text", content={"text": "hello"}))


def test_a_step_holds_connections_users_and_write_latency(app, history, minute):
    ada, bob = create_users("ada", "bob")
    conversation, _ = open_private(ada, bob)
    sampler = Sampler(app)
    for sid, user in (("a", ada), ("b", ada), ("c", bob)):
        presence.local().connect(ConnectionInfo(sid, user))
    write(ada, conversation, "c1", "c2", "c3")

    sampler.take(minute)

    answer = history()
    assert (answer["step_seconds"], answer["nodes"]) == (60, ["node-1"])
    (point,) = answer["points"]
    assert (point["connections"], point["users"], point["nodes"]) == (3, 2, 1)
    assert 0 < point["latency_ms"] < 60_000
    assert 0 < point["p99_ms"] < 60_000
    assert point["memory_bytes"] > 10 * 2**20
    assert point["cpu"] >= 0
    assert point["at"] == time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(minute))


def test_a_step_counts_connects_commands_and_messages_of_sockets_and_rest(app, client, history, minute):
    alice, bob = register(client, "alice"), register(client, "bob")
    made = client.post("/api/conversations", json={"user_id": bob["user"]["id"]}, headers=bearer(alice))
    path = f"/api/conversations/{made.json['id']}"
    sampler = Sampler(app)
    sockets = [socketio.test_client(app, auth={"token": tokens["access_token"]}) for tokens in (alice, bob, bob)]
    sockets[2].disconnect()
    for _ in range(4):
        sockets[0].emit("ping_server", {}, callback=True)
    draft = {"client_id": "c1", "type": "text", "content": {"text": "hello"}}
    for _ in range(2):  # the second is a retry and does not count
        client.post(f"{path}/messages", json=draft, headers=bearer(alice))
    client.post(f"{path}/read", json={"seq": 1}, headers=bearer(bob))

    sampler.take(minute)

    (point,) = history()["points"]
    assert (point["connects"], point["disconnects"], point["commands"], point["messages"]) == (3, 1, 4, 1)
    for socket in sockets[:2]:
        socket.disconnect()


def test_a_step_counts_only_its_own_interval(app, history, minute):
    ada, bob = create_users("ada", "bob")
    conversation, _ = open_private(ada, bob)
    sampler = Sampler(app)
    write(ada, conversation, "c1")
    sampler.take(minute - 60)

    sampler.take(minute)

    first, second = history()["points"]
    assert first["latency_ms"] > 0
    assert (second["latency_ms"], second["p99_ms"]) == (None, None)


def test_a_clock_that_is_set_back_does_not_count_a_node_twice(app, history, minute):
    sampler = Sampler(app)
    sampler.take(minute)

    sampler.take(minute)

    assert [point["nodes"] for point in history()["points"]] == [1]


@pytest.mark.parametrize(("moment", "at"), [(60.0, 120), (89.9, 120), (119.99, 180), (120.0, 180), (120.01, 180)])
def test_a_step_ends_on_its_boundary_and_an_early_timer_makes_no_second_one(moment, at):
    assert end_of_step(moment, 60) == at


def test_hours_limit_the_range_and_a_single_node_keeps_a_day_at_most(app, history, minute):
    sampler = Sampler(app)
    for number in reversed(range(MOST_STEPS + 20)):
        sampler.take(minute - 60 * number)

    assert len(history()["points"]) in {MOST_STEPS - 1, MOST_STEPS}
    assert len(history(hours=1)["points"]) in {59, 60}


def test_only_operators_may_read_the_statistics(client):
    alice = register(client, "alice")

    for path in ("history", "nodes", "stats"):
        assert client.get(f"/api/admin/{path}", headers=bearer(alice)).json["code"] == "forbidden"
        assert client.get(f"/api/admin/{path}").status_code == 401


@pytest.mark.parametrize("query", [{"hours": 0}, {"hours": 25}, {"hours": "x"}, {"node": ""}, {"days": 1}])
def test_an_invalid_query_is_refused(client, operator, query):
    answer = client.get("/api/admin/history", query_string=query, headers=operator)

    assert answer.json["code"] == "invalid_input"


def test_an_unknown_node_has_no_points(app, history, minute):
    Sampler(app).take(minute)

    assert history(node="node-9")["points"] == []
    assert len(history(node="node-1")["points"]) == 1


def test_rates_come_from_the_last_step(app, client, operator, minute):
    ada, bob = create_users("ada", "bob")
    conversation, _ = open_private(ada, bob)
    sampler = Sampler(app)
    presence.local().connect(ConnectionInfo("a", ada, platform="ios"))
    before = client.get("/api/admin/stats", headers=operator).json

    write(ada, conversation, *(f"c{number}" for number in range(6)))
    sampler.take(minute)

    after = client.get("/api/admin/stats", headers=operator).json
    assert (before["rates"], before["nodes"][0]["rates"]) == (None, None)
    assert (after["users"], after["connections"], after["platforms"]) == (1, 1, {"ios": 1})
    assert after["rates"]["messages_per_second"] == 0.1
    assert after["nodes"][0]["rates"] == after["rates"]


def test_a_single_node_reports_itself(client, operator):
    (node,) = client.get("/api/admin/nodes", headers=operator).json["nodes"]

    assert (node["id"], node["state"], node["connections"]) == ("node-1", "up", 0)
