"""Without Redis, every query is answered soon with what the node itself knows."""

import logging
import time
from uuid import uuid4

import pytest

from imapp.cluster import limits, redis
from imapp.cluster.registry import presence
from imapp.cluster.registry.registry import ConnectionInfo, Registry
from imapp.errors import RateLimitedError
from imapp.node import node_of
from imapp.telemetry import metrics
from tests.support.ports import free_port, wait_for

pytestmark = pytest.mark.slow


@pytest.fixture
def node(make_app, own_redis):
    """Create a node of a cluster with this test's own Redis; user 1 is connected here, user 2 elsewhere."""
    app = make_app(redis_url=own_redis.url, rate_limits=True, rate_login_per_account="3/hour")
    presence.local_of(app).connect(ConnectionInfo("here", 1))
    elsewhere = Registry(redis.client_of(app), node_of(app).settings.cluster_name, "elsewhere")
    elsewhere.renew("instance", 60_000, {"id": "elsewhere"})
    elsewhere.open(ConnectionInfo("there", 2))
    with app.app_context():
        yield app


def seconds(function, *arguments):
    began = time.monotonic()
    function(*arguments)
    return time.monotonic() - began


def test_a_frozen_redis_delays_the_first_query_a_second_and_the_next_ones_not_at_all(node, own_redis):
    assert presence.cluster().online_among([1, 2, 3]) == {1, 2}
    own_redis.freeze()

    first = seconds(presence.cluster().online_among, [2])
    later = [seconds(presence.cluster().online_among, [2]) for _ in range(50)]

    assert first < 1.5
    assert sum(later) < 0.2
    assert presence.cluster().online_among([1, 2, 3]) == {1}
    own_redis.thaw()
    wait_for(lambda: presence.cluster().online_among([1, 2, 3]) == {1, 2}, what="an answer of Redis")


def test_the_loss_and_the_return_of_redis_are_logged_once_each(node, own_redis, caplog):
    caplog.set_level(logging.INFO)
    own_redis.kill()
    for _ in range(20):
        presence.cluster().online_among([2])
    time.sleep(1.1)
    presence.cluster().online_among([2])
    own_redis.start()
    wait_for(lambda: redis.ask(redis.client().ping), what="an answer of Redis")

    lines = [
        record.getMessage().split()[0] for record in caplog.records if record.name == "imapp.cluster.circuit_breaker"
    ]

    assert lines == ["redis_away", "redis_back"]


def test_with_a_frozen_redis_a_limit_is_enforced_by_the_node_without_a_long_wait(node, own_redis):
    own_redis.freeze()

    began = time.monotonic()
    for _ in range(3):
        limits.hit("login_per_account", "alice")
    with pytest.raises(RateLimitedError):
        limits.hit("login_per_account", "alice")

    assert time.monotonic() - began < 3.5  # the first waits a second; each would, without the circuit breaker
    own_redis.thaw()


@pytest.mark.parametrize("command", ["CONFIG SET maxmemory 1", "REPLICAOF 127.0.0.1 1"])
def test_a_redis_that_refuses_writes_is_treated_as_absent(node, own_redis, command):
    before = metrics.REDIS_WRITES_REFUSED._value.get()
    own_redis.client().execute_command(command)

    for _ in range(3):
        limits.hit("login_per_account", "alice")

    with pytest.raises(RateLimitedError):
        limits.hit("login_per_account", "alice")
    assert metrics.REDIS_WRITES_REFUSED._value.get() > before


@pytest.mark.parametrize("scheme", ["redis://{}", "redis+cluster://{}", "redis+sentinel://{}/main", "unix:///{}"])
def test_a_node_works_without_any_kind_of_redis(make_app, scheme):
    url = scheme.format(f"127.0.0.1:{free_port()}")
    app = make_app(redis_url=url, rate_limits=True, cluster_name=f"away-{uuid4().hex[:8]}")
    presence.local_of(app).connect(ConnectionInfo("here", 1))

    with app.app_context():
        limits.hit("login_per_account", "alice")
        found = presence.cluster().online_among([1, 2]), presence.count(), presence.user_ids()
        health = app.test_client().get("/actuator/health").json["components"]["redis"]

    assert found == ({1}, 1, [1])
    assert (health["status"], health["details"]["mode"]) == ("DOWN", redis_kind(url))


def redis_kind(url):
    return url.partition("://")[0].partition("+")[2] or "single"


@pytest.mark.parametrize("command", ["CONFIG SET maxmemory 1", "REPLICAOF 127.0.0.1 1"])
def test_a_redis_that_refuses_writes_is_reported_by_health_and_statistics(node, own_redis, command):
    with own_redis.client() as client:
        client.flushall()  # as if the leases had expired meanwhile
        client.execute_command(command)

    health = node.test_client().get("/actuator/health").json["components"]["redis"]

    assert health["status"] == "DOWN"
    assert (presence.count(), presence.user_ids(), presence.cluster().is_complete()) == (1, [1], False)
