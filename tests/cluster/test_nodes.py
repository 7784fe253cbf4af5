"""Leases of nodes: expiry, removal of dead nodes, reports. Several nodes run in one process, over a real Redis."""

import json
import time
from uuid import uuid4

import pytest
from redis.exceptions import ConnectionError as AnswerLostError

from imapp.cluster import redis
from imapp.cluster.registry import heartbeat, presence
from imapp.cluster.registry.heartbeat import NodeHeartbeat, NodeTakenError
from imapp.cluster.registry.registry import ConnectionInfo, Registry, registry_of
from tests.support.ports import wait_for

pytestmark = pytest.mark.slow

#: Lease in seconds: the shortest that the settings allow.
LEASE = 3


class Node:
    """A node's presence and heartbeat; `told` holds the changes that it announced."""

    def __init__(self, app) -> None:
        self.app = app
        self.told: list[tuple[int, bool]] = []
        self.was_taken = False
        self.presence = presence.local_of(app)
        self.presence.on_change = lambda *change: self.told.append(change)
        self.heart = NodeHeartbeat(app, registry_of(app), on_taken=self._taken)

    def _taken(self) -> None:
        self.was_taken = True

    def connect(self, *user_ids: int) -> None:
        for user_id in user_ids:
            self.presence.connect(ConnectionInfo(uuid4().hex, user_id, platform="web"))

    def disconnect(self, user_id: int) -> None:
        sid = next(sid for sid, one in self.presence.open.items() if one.user_id == user_id)
        self.presence.disconnect(sid)

    def sees(self, *user_ids: int) -> set[int]:
        with self.app.app_context():
            return presence.cluster().online_among(list(user_ids))

    def sees_all(self) -> list[int]:
        with self.app.app_context():
            return presence.user_ids()


@pytest.fixture
def cluster_name():
    return f"nodes-{uuid4().hex[:8]}"


@pytest.fixture
def join(make_app, cluster_name):
    """Provide `join(url, node_id)`, which starts a node with a heartbeat."""
    nodes = []

    def start(url, node_id):
        app = make_app(redis_url=url, cluster_name=cluster_name, node_id=node_id, node_lease_seconds=LEASE)
        nodes.append(Node(app))
        nodes[-1].heart.start()
        return nodes[-1]

    yield start
    for node in nodes:
        node.heart.stop()


@pytest.fixture
def dead(make_app, cluster_name):
    """Provide `dead(url, *user_ids)`, which registers a node with these users and without a heartbeat."""

    def leave_behind(url, *user_ids, lease_ms=1000 * LEASE):
        app = make_app(redis_url=url, cluster_name=cluster_name, node_id="dead")
        register = Registry(redis.client_of(app), cluster_name, "dead")
        register.renew("gone", lease_ms, {"id": "dead", "host": "somewhere", "pid": 42, "port": 8080})
        register.rewrite([ConnectionInfo(uuid4().hex, user_id) for user_id in user_ids])

    return leave_behind


@pytest.mark.parametrize("kind", ["redis_server", "redis_sentinel", "redis_cluster"])
def test_nodes_share_their_presence_over_every_kind_of_redis(join, request, kind):
    url = request.getfixturevalue(kind).url
    one, two = join(url, "n1"), join(url, "n2")
    one.connect(1, 1)
    wait_for(lambda: two.sees(1, 2) == {1}, what="the users to be seen")
    two.connect(1, 2)
    wait_for(lambda: one.sees(1, 2, 3) == {1, 2}, what="the users to be seen")

    two.disconnect(1)
    two.disconnect(2)
    wait_for(lambda: (2, False) in two.told, what="the last device's end")

    assert one.sees(1, 2) == {1}
    # A change with a late answer is announced again.
    assert list(dict.fromkeys(one.told)) == [(1, True)]
    assert list(dict.fromkeys(two.told)) == [(2, True), (2, False)]


def test_users_of_a_dead_node_are_announced_offline_once_and_its_keys_are_deleted(
    join, dead, redis_server, cluster_name
):
    nodes = [join(redis_server.url, f"n{number}") for number in (1, 2, 3)]
    nodes[0].connect(1)
    dead(redis_server.url, 1, *range(1000, 1400))

    wait_for(lambda: sum(len(node.told) for node in nodes) >= 401, what="the removal of the dead node")
    time.sleep(1)

    told = sorted(change for node in nodes for change in node.told)
    assert told == [(1, True), *((user_id, False) for user_id in range(1000, 1400))]
    assert sum(len(node.told) > 1 for node in nodes) == 1
    assert nodes[1].sees(1, 1000) == {1}
    assert [key for key in redis_server.client().keys(f"*{cluster_name}*") if key.endswith(":dead")] == []


def test_a_node_that_has_just_started_removes_no_dead_node(join, dead, redis_server):
    dead(redis_server.url, 7, lease_ms=1)

    node = join(redis_server.url, "n1")
    time.sleep(LEASE * 0.6)
    early = list(node.told)

    wait_for(lambda: node.told == [(7, False)], what="the removal of the dead node")
    assert early == []


def test_a_node_with_a_name_in_use_is_refused_with_the_holders_address(join, redis_server):
    join(redis_server.url, "n1")

    began = time.monotonic()
    with pytest.raises(NodeTakenError, match=r"host .+, pid \d+, port \d+"):
        join(redis_server.url, "n1")

    assert time.monotonic() - began > LEASE


def test_a_node_waits_for_the_lease_of_its_dead_predecessor(join, dead, redis_server):
    dead(redis_server.url, 7)

    node = join(redis_server.url, "dead")
    node.connect(7)

    wait_for(lambda: node.sees_all() == [7], what="the users to be seen")


def test_a_stopped_node_releases_its_name_at_once(join, redis_server, cluster_name):
    node = join(redis_server.url, "n1")
    node.connect(1)
    wait_for(lambda: node.told, what="the announcement")

    node.heart.stop()

    assert redis_server.client().keys(f"*{cluster_name}*") == []
    began = time.monotonic()
    join(redis_server.url, "n1")
    assert time.monotonic() - began < LEASE


def test_a_node_that_lost_its_lease_registers_all_its_connections_again(join, own_redis):
    one, two = join(own_redis.url, "n1"), join(own_redis.url, "n2")
    one.connect(1, 2)
    two.connect(2, 3)
    wait_for(lambda: one.sees_all() == [1, 2, 3], what="the users to be seen")

    own_redis.client().flushall()

    wait_for(lambda: one.sees(1, 2, 3) == {1, 2, 3} == two.sees(1, 2, 3), what="the users to be seen again")
    assert not [change for node in (one, two) for change in node.told if not change[1]]


def test_a_redis_that_comes_back_empty_gets_the_present_connections(join, own_redis):
    one, two = join(own_redis.url, "n1"), join(own_redis.url, "n2")
    one.connect(1, 2)
    wait_for(lambda: two.sees(1, 2) == {1, 2}, what="the users to be seen")

    own_redis.kill()
    time.sleep(LEASE + 1)
    one.disconnect(2)
    one.connect(3)
    own_redis.start()

    wait_for(lambda: two.sees(1, 2, 3) == {1, 3}, what="the users to be seen again")


def test_a_drift_is_found_and_repaired(join, redis_server, cluster_name):
    node = join(redis_server.url, "n1")
    node.connect(1, 2)
    wait_for(lambda: node.sees_all() == [1, 2], what="the users to be seen")
    client = redis_server.client()

    # The connection last: a comparison between the two commands would find it, and repair the node without the user.
    client.hset(f"{{{cluster_name}}}:users:n1", "9", 1)
    client.hset(f"{{{cluster_name}}}:conns:n1", "ghost", "9 0 - 0")

    wait_for(lambda: (9, False) in node.told, what="the removal of the ghost")
    wait_for(lambda: node.sees_all() == [1, 2], what="the repaired state")
    assert client.hget(f"{{{cluster_name}}}:users:n1", "9") is None


def test_a_node_stops_when_another_process_has_taken_its_name(join, redis_server, cluster_name):
    node = join(redis_server.url, "n1")

    redis_server.client().set(f"{{{cluster_name}}}:lease:n1", "another")

    wait_for(lambda: node.was_taken, what="the end")


def test_the_nodes_are_listed_for_operators(join, redis_server):
    one = join(redis_server.url, "n1")
    join(redis_server.url, "n2")
    one.connect(1, 1, 2)
    runner = one.app.test_cli_runner()

    def listed():
        return json.loads(runner.invoke(args=["im", "nodes", "--json"]).output)

    wait_for(lambda: [node["connections"] for node in listed()] == [3, 0], what="the report")
    table = runner.invoke(args=["im", "nodes"]).output

    first = listed()[0]
    assert (first["id"], first["state"], first["users"], first["platforms"]) == ("n1", "up", 2, {"web": 3})
    assert first["rss_bytes"] > 2**20
    assert [line.split()[:2] for line in table.splitlines()] == [["node", "state"], ["n1", "up"], ["n2", "up"]]


def test_listing_nodes_without_redis_fails(make_app):
    result = make_app().test_cli_runner().invoke(args=["im", "nodes"])

    assert (result.exit_code, result.output.count("\n")) == (1, 1)
    assert "REDIS_URL" in result.output


@pytest.fixture
def lose(monkeypatch):
    """Provide `lose(node, command)`: Redis executes the node's next such command, but the answer is lost."""

    def lose_next(node, command):
        register = node.heart._registry
        carry_out = getattr(register, command)

        def answer_nothing(*arguments):
            monkeypatch.setattr(register, command, carry_out)
            carry_out(*arguments)
            raise AnswerLostError

        monkeypatch.setattr(register, command, answer_nothing)

    return lose_next


def test_arrivals_and_departures_are_announced_after_a_lost_answer(join, lose, redis_server):
    node = join(redis_server.url, "n1")
    wait_for(lambda: not node.heart._is_stale, what="the first beat")
    lose(node, "open")
    node.connect(5)
    wait_for(lambda: node.told == [(5, True)], what="the announcement")
    wait_for(lambda: not node.heart._is_stale, what="the next beat")
    lose(node, "close")

    node.disconnect(5)

    wait_for(lambda: node.told == [(5, True), (5, False)], what="the announcement")


def test_changes_by_a_rewrite_are_announced_after_a_lost_answer(join, lose, redis_server, cluster_name):
    node = join(redis_server.url, "n1")
    node.connect(5)
    wait_for(lambda: node.told == [(5, True)], what="the announcement")
    Registry(redis.client_of(node.app), cluster_name, "n1").rewrite([ConnectionInfo("ghost", 6)])
    node.told.clear()
    lose(node, "rewrite")

    node.heart._is_stale = True
    node.presence.wake.set()

    wait_for(lambda: sorted(node.told) == [(5, True), (6, False)], what="the announcement")


def test_users_of_a_dead_node_are_announced_after_a_lost_answer(join, dead, lose, redis_server):
    node = join(redis_server.url, "n1")
    lose(node, "reap")

    dead(redis_server.url, 7, lease_ms=1)

    wait_for(lambda: node.told == [(7, False)], what="the announcement")


def test_the_journal_is_bounded_while_redis_is_away(make_app, cluster_name, monkeypatch):
    monkeypatch.setattr(heartbeat, "_JOURNAL_MAX", 100)
    app = make_app(redis_url="redis://127.0.0.1:1", cluster_name=cluster_name, node_id="n1", node_lease_seconds=LEASE)
    node = Node(app)
    node.heart.start()

    for user_id in range(1000):
        node.connect(user_id)
        node.disconnect(user_id)

    wait_for(lambda: len(node.presence.journal) <= 100, what="the bound of the journal")
    assert node.heart._is_stale
    node.heart.stop()
