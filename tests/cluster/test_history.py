"""The statistics of the last day of several nodes over a real Redis: in one process, and as real servers."""

import json
import time
from uuid import uuid4

import pytest

from imapp.cluster import redis
from imapp.cluster.history import DAY_SECONDS, MOST_STEPS, RedisHistory, history_of
from imapp.cluster.registry import presence
from imapp.cluster.registry.heartbeat import NodeHeartbeat
from imapp.cluster.registry.registry import ConnectionInfo, registry_of
from imapp.schemas.history import HistoryQuery
from imapp.services.operations import history
from imapp.services.operations.sampler import Sampler
from tests.support.ports import wait_for
from tests.support.redis import RedisServer

pytestmark = pytest.mark.slow


class Node:
    """A node with a heartbeat; the test runs its sampler."""

    def __init__(self, app) -> None:
        self.app = app
        self.heart = NodeHeartbeat(app, registry_of(app), on_taken=lambda: None)
        self.sampler = Sampler(app)

    def connect(self, *user_ids: int) -> None:
        for user_id in user_ids:
            presence.local_of(self.app).connect(ConnectionInfo(uuid4().hex, user_id))

    def count(self) -> int:
        with self.app.app_context():
            return presence.count()

    def points(self, **query):
        with self.app.app_context():
            return history.read(HistoryQuery(**query)).points


@pytest.fixture
def join(make_app, own_redis):
    """Provide `join(node_id)`, which starts a node of the test's own cluster."""
    nodes = []

    def start(node_id: str, url: str = own_redis.url) -> Node:
        nodes.append(Node(make_app(redis_url=url, node_id=node_id, node_lease_seconds=3)))
        nodes[-1].heart.start()
        return nodes[-1]

    yield start
    for node in nodes:
        node.heart.stop()


@pytest.fixture
def minute():
    return int(time.time()) // 60 * 60


@pytest.mark.parametrize("kind", ["redis_server", "redis_sentinel", "redis_cluster"])
def test_every_kind_of_redis_stores_the_history(request, make_app, kind):
    name = f"history-{uuid4().hex[:8]}"
    url = request.getfixturevalue(kind).url
    one, two = (make_app(redis_url=url, cluster_name=name, node_id=node) for node in ("n1", "n2"))
    for app in (one, two):
        history_of(app).add(1000, '"record"')

    with two.app_context():
        assert history_of(two).read(since=999) == {"n1": ['"record"'], "n2": ['"record"']}
        assert history_of(two).read(since=1000) == {"n1": [], "n2": []}


def test_a_user_on_two_nodes_counts_once_in_the_cluster_and_once_on_each_node(join, minute):
    one, two = join("n1"), join("n2")
    one.connect(1, 2)
    two.connect(2, 3, 3)
    wait_for(lambda: one.count() == two.count() == 3, what="knowing each other's users")

    one.sampler.take(minute)
    two.sampler.take(minute)

    (whole,) = one.points()
    assert (whole.connections, whole.users, whole.nodes) == (5, 3, 2)
    (share,) = one.points(node="n2")
    assert (share.connections, share.users, share.nodes) == (3, 2, 1)


def test_the_history_of_a_dead_node_is_kept(join, minute):
    one, two = join("n1"), join("n2")
    two.connect(7)
    two.sampler.take(minute - 60)
    two.heart.stop()

    one.sampler.take(minute)

    assert [point.connections for point in one.points()] == [1, 0]
    assert [point.connections for point in one.points(node="n2")] == [1]


def test_with_a_frozen_redis_a_node_answers_soon_with_its_own_history(join, own_redis, minute):
    one, two = join("n1"), join("n2")
    two.sampler.take(minute - 120)
    one.sampler.take(minute - 120)
    own_redis.freeze()
    began = time.monotonic()

    with pytest.raises(redis.RedisError):
        one.sampler.take(minute - 60)

    assert [point.nodes for point in one.points()] == [1, 1]
    assert time.monotonic() - began < 20
    own_redis.thaw()
    wait_for(lambda: one.points()[0].nodes == 2, what="Redis' answer")


def test_samples_are_written_again_to_a_redis_that_came_back_empty(join, own_redis, minute):
    one = join("n1")
    one.sampler.take(minute - 60)
    own_redis.kill()
    own_redis.start()

    one.sampler.take(minute)

    wait_for(lambda: len(one.points()) == 1, what="Redis' answer")


def test_an_outage_of_redis_leaves_a_gap_and_earlier_samples_stay_if_redis_is_persistent(make_app, tmp_path, minute):
    server = RedisServer(tmp_path / "kept", "--appendonly", "yes", "--appendfsync", "always")
    app = make_app(redis_url=server.url)
    sampler = Sampler(app)
    sampler.take(minute - 120)
    server.kill()
    with pytest.raises(redis.RedisError):
        sampler.take(minute - 60)
    server.start()

    sampler.take(minute)

    with app.app_context():
        found = history_of(app).read(since=0)["node-1"]
    assert [json.loads(record)["at"] for record in found] == [minute - 120, minute]
    server.stop()


def test_the_history_is_bounded_and_every_key_expires(own_redis):
    client = own_redis.client()
    kept = RedisHistory(client, "im", "n1")
    for second in range(MOST_STEPS + 30):
        kept.add(second, f'"{second}"')
    assert client.zcard("{im}:history:n1") == MOST_STEPS

    kept.add(2 * DAY_SECONDS, '"late"')

    assert client.zrange("{im}:history:n1", 0, -1) == ['"late"']
    assert {0 < client.ttl(key) <= DAY_SECONDS for key in client.keys("{im}:*")} == {True}
    assert len(client.keys("*")) == 2


def test_samples_with_another_step_length_are_not_added_up(join, make_app, own_redis, minute):
    one = join("n1")
    one.sampler.take(minute)
    Sampler(make_app(redis_url=own_redis.url, node_id="n2", history_step_seconds=30)).take(minute)

    assert [point.nodes for point in one.points()] == [1]


def test_running_servers_store_the_history_and_that_of_a_killed_server_stays(start_nodes, own_redis, mariadb, device):
    url = mariadb.create_database()
    one, two = start_nodes(2, redis_url=own_redis.url, database_url=url, IM_HISTORY_STEP_SECONDS="1")
    alice = device(two, "alice").connect()
    at_one = alice.at(one).connect()
    mariadb.query("UPDATE users SET is_operator = 1", url.rsplit("/", 1)[1])

    def points(**query):
        words = "&".join(f"{name}={value}" for name, value in query.items())
        return at_one.get(f"/api/admin/history?{words}")["points"]

    def alice_is_seen_once():
        return any((point["nodes"], point["connections"], point["users"]) == (2, 2, 1) for point in points())

    wait_for(alice_is_seen_once, what="a step in which both nodes saw Alice")
    told = json.loads(one.flask("im", "stats", "--json"))
    table = one.flask("im", "stats").splitlines()
    assert (told["users"], told["connections"], told["platforms"]) == (1, 2, {"unknown": 2})
    assert [(node["id"], node["connections"]) for node in told["nodes"]] == [("node-1", 1), ("node-2", 1)]
    assert told["rates"].keys() > {"messages_per_second", "connects_per_second"}
    assert [line.split()[0] for line in table] == ["node", "node-1", "node-2", "all", "2"]
    assert table[3].split()[1:3] == ["2", "1"]
    two.kill()
    wait_for(lambda: points()[-1]["nodes"] == 1, what="a step without the dead node")

    assert points(node="node-2")[-1]["connections"] == 1
    assert at_one.get("/api/admin/nodes")["nodes"][0]["id"] == "node-1"
    at_one.close()
