"""Online users of a cluster: every node reports the same, whatever fails."""

import subprocess
import sys
import time

import pytest
import requests
import sqlalchemy

from imapp.cluster.registry.registry import ConnectionInfo, Registry
from imapp.services.operations.health_probe import CACHE_SECONDS
from tests.support.ports import WITHIN, free_port, wait_for
from tests.support.server import ROOT

pytestmark = pytest.mark.slow


def online(device, *others):
    return set(device.call("get_online_users", {"user_ids": [one.id for one in others]})["user_ids"])


def stats(device):
    return device.get("/api/stats/online?limit=100")


def metric(node, name):
    for line in requests.get(node.url + "/actuator/prometheus", timeout=10).text.splitlines():
        if line.startswith(f"{name} "):
            return float(line.split()[1])
    raise AssertionError(f"no metric {name}")


def acquaint(one, other):
    """Let both users write to each other, so that each may see the other's presence."""
    one.send("hello", to_user_id=other.id)
    other.send("hello to you", to_user_id=one.id)


@pytest.fixture
def friends(device):
    """Provide `friends(node, other)`: two users that watch each other, connected to those nodes."""

    def make(here, there):
        alice, bob = device(here, "alice").connect(), device(there, "bob").connect()
        acquaint(alice, bob)
        return alice, bob

    return make


def test_a_user_on_another_node_is_online(nodes, friends):
    alice, bob = friends(nodes[0], nodes[1])

    wait_for(lambda: online(alice, bob) == {bob.id}, what="the users to be seen")
    wait_for(lambda: online(bob, alice) == {alice.id}, what="the users to be seen")


def test_watchers_are_notified_on_their_node(nodes, friends):
    alice, bob = friends(nodes[0], nodes[1])
    wait_for(lambda: online(alice, bob), what="the users to be seen")

    bob.close()

    told = alice.wait_for("presence_changed", lambda one: one["user_id"] == bob.id and not one["online"])
    assert told["last_seen_at"]


def test_a_user_is_online_until_the_last_device_on_the_last_node_disconnects(nodes, friends):
    alice, bob = friends(nodes[0], nodes[0])
    devices = [bob.at(node).connect() for node in nodes]
    wait_for(lambda: sum(node["connections"] for node in stats(alice)["nodes"]) >= 5, what="all connections")

    bob.close()
    for one in devices[:2]:
        one.close()
    time.sleep(1)
    still = online(alice, bob)
    devices[2].close()

    assert still == {bob.id}
    wait_for(lambda: not online(alice, bob), what="going offline")
    alice.wait_for("presence_changed", lambda one: one["user_id"] == bob.id and not one["online"])


def test_the_statistics_cover_the_whole_cluster(start_nodes, device):
    one, two, three = start_nodes(3, IM_STATS_VISIBILITY="everyone")
    alice, bob = device(one, "alice").connect(), device(two, "bob").connect()
    phone = bob.at(three).connect()

    wait_for(lambda: stats(alice)["count"] == 2, what="both users")
    wait_for(lambda: [node["connections"] for node in stats(alice)["nodes"]] == [1, 1, 1], what="the nodes' reports")

    for user in (alice, bob, phone):
        found = stats(user)
        assert (found["count"], found["user_ids"]) == (2, sorted([alice.id, bob.id]))
        assert [node["id"] for node in found["nodes"]] == ["node-1", "node-2", "node-3"]


def test_users_of_a_killed_node_go_offline_on_all_nodes_without_a_ghost(start_nodes, device, friends):
    one, two, three = start_nodes(3)
    alice, bob = friends(one, two)
    carol = device(three, "carol").connect()
    acquaint(carol, bob)
    wait_for(lambda: stats(carol)["count"] == 3, what="all three")
    wait_for(lambda: online(carol, bob) == {bob.id}, what="the users to be seen")

    two.kill()

    alice.wait_for("presence_changed", lambda one: one["user_id"] == bob.id and not one["online"], timeout=WITHIN)
    wait_for(lambda: stats(carol)["count"] == 2, WITHIN, "the count")
    assert bob.id not in online(carol, bob)
    assert alice.get(f"/api/users/{bob.id}")["id"] == bob.id
    assert [node["id"] for node in stats(carol)["nodes"]] == ["node-1", "node-3"]
    assert metric(one, "imapp_presence_drift") == metric(three, "imapp_presence_drift") == 0


def test_last_seen_is_stored_for_every_user_of_a_crowded_dead_node(start_nodes, redis_server):
    (node,) = start_nodes(1)
    node.flask("im", "load-fixture", "--users", "4000", "--out", str(node.folder / "tokens"))
    database = sqlalchemy.create_engine(node.environ["DATABASE_URL"])

    def unseen():
        with database.connect() as connection:
            rows = connection.execute(sqlalchemy.text("SELECT id FROM users WHERE last_seen_at IS NULL"))
            return [user_id for (user_id,) in rows]

    dead = Registry(redis_server.client(), node.environ["IM_CLUSTER_NAME"], "dead")
    dead.renew("gone", 1000, {"id": "dead"})
    dead.rewrite([ConnectionInfo(f"s{user_id}", user_id) for user_id in unseen()])

    wait_for(lambda: metric(node, "imapp_nodes_reaped_total") == 1, what="the removal of the dead node")
    wait_for(lambda: not unseen(), what="the last user's last_seen_at")
    database.dispose()
    assert "presence_not_announced" not in node.log


def test_a_second_node_with_the_same_name_is_refused_in_one_line(start_nodes, start_server, tmp_path):
    (node,) = start_nodes(1)

    environ = {**node.environ, "PORT": str(free_port())}
    twin = subprocess.run(
        [sys.executable, "-m", "gunicorn"],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert twin.returncode == 3
    lines = [line for line in twin.stderr.splitlines() if " INFO " not in line and "gunicorn.error" not in line]
    assert len(lines) == 1, twin.stderr
    assert "node-1 is already running" in lines[0]
    assert f"pid {node.worker}, port {node.port}" in lines[0]
    assert node.is_ready


def test_a_node_restarted_at_once_takes_its_name_back(start_nodes, friends, device):
    one, two = start_nodes(2)
    alice, bob = friends(one, two)
    wait_for(lambda: online(alice, bob), what="the users to be seen")

    two.kill()
    two.start()

    two.wait_until_ready()
    wait_for(lambda: not online(alice, bob), WITHIN, "the old connection's end")
    carol = device(two, "carol").connect()
    acquaint(alice, carol)
    wait_for(lambda: online(alice, carol), what="the users to be seen")


def test_an_emptied_redis_is_filled_again(start_nodes, friends, own_redis):
    one, two = start_nodes(2, redis_url=own_redis.url)
    alice, bob = friends(one, two)
    wait_for(lambda: online(alice, bob), what="the users to be seen")

    own_redis.client().flushall()

    wait_for(lambda: online(alice, bob) == {bob.id}, WITHIN, "the users to be seen again")
    wait_for(lambda: stats(alice)["count"] == 2, what="the count")
    wait_for(lambda: metric(one, "imapp_presence_drift") == 0, what="a comparison without findings")


def test_a_drift_is_reported_until_a_comparison_finds_none(start_nodes, device, redis_server):
    (node,) = start_nodes(1, IM_NODE_LEASE_SECONDS="4")
    alice = device(node, "alice").connect()
    client, key = redis_server.client(), f"{{{node.environ['IM_CLUSTER_NAME']}}}:conns:node-1"
    wait_for(lambda: client.hlen(key) == 1, what="her presence")

    client.delete(key)

    wait_for(lambda: metric(node, "imapp_presence_drift") == 1, what="the finding")
    wait_for(lambda: client.hlen(key) == 1, what="the mending")
    assert metric(node, "imapp_presence_drift") == 1
    wait_for(lambda: metric(node, "imapp_presence_drift") == 0, what="a comparison without findings")
    assert alice.sio.connected


def test_a_paused_redis_creates_no_ghost_and_no_dead_node(start_nodes, friends, own_redis):
    one, two = start_nodes(2, redis_url=own_redis.url)
    alice, bob = friends(one, two)
    wait_for(lambda: online(alice, bob), what="the users to be seen")
    alice.events.clear()

    own_redis.freeze()
    time.sleep(12)
    own_redis.thaw()
    for node in (one, two):
        node.wait_until_ready()
    time.sleep(3)

    wait_for(lambda: online(alice, bob) == {bob.id}, WITHIN, "the users to be seen again")
    assert not [event for event in alice.received("presence_changed") if not event["online"]]


def test_a_node_set_to_refuse_without_redis_exits_with_one_line(tmp_path, start_nodes, own_redis, mariadb):
    (node,) = start_nodes(1, redis_url=own_redis.url)
    node.stop()
    own_redis.kill()

    environ = {**node.environ, "PORT": str(free_port()), "IM_REDIS_AT_START": "refuse"}
    refused = subprocess.run(
        [sys.executable, "-m", "gunicorn"],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert refused.returncode == 3
    lines = [line for line in refused.stderr.splitlines() if "redis_absent" in line]
    assert len(lines) == 1
    assert "Redis does not answer at 127.0.0.1" in lines[0]


def test_a_node_started_without_redis_serves_unready_until_redis_answers(start_nodes, own_redis, device):
    (node,) = start_nodes(1, redis_url=own_redis.url)
    node.stop()
    own_redis.kill()

    node.start()
    was_ready = node.is_ready
    alice = device(node, "alice").connect()
    own_redis.start()

    node.wait_until_ready()
    assert not was_ready
    assert "redis_absent" in node.log
    alice.wait_for("sync_required")
    wait_for(lambda: stats(alice)["count"] == 1, what="the users to be seen")


def test_health_reports_redis_and_answers_in_bounded_time_without_it(start_nodes, own_redis):
    (node,) = start_nodes(1, redis_url=own_redis.url)

    well = requests.get(node.url + "/actuator/health", timeout=10)
    own_redis.freeze()
    time.sleep(CACHE_SECONDS)  # the good answer is cached this long
    began = time.monotonic()
    ill = requests.get(node.url + "/actuator/health", timeout=60)
    took = time.monotonic() - began
    own_redis.thaw()

    assert (well.status_code, well.json()["components"]["redis"]["status"]) == (200, "UP")
    assert (ill.status_code, ill.json()["components"]["redis"]["status"]) == (503, "DOWN")
    assert took < 30
    assert requests.get(node.url + "/actuator/health/liveness", timeout=10).ok
