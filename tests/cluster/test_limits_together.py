"""Rate limits of several nodes: exact counts, counts exchanged with a delay, and counts without Redis."""

import time
from contextlib import suppress
from uuid import uuid4

import pytest

from imapp.cluster import limits
from imapp.errors import RateLimitedError
from imapp.node import node_of
from tests.support.ports import wait_for

pytestmark = pytest.mark.slow


@pytest.fixture
def two_apps(make_app, redis_server):
    """Create two nodes of one cluster with small limits."""
    settings = {
        "rate_limits": True,
        "redis_url": redis_server.url,
        "cluster_name": f"limits-{uuid4().hex[:8]}",
        "rate_login_per_account": "10/hour",
        "rate_commands_per_user": "20/hour",
    }
    return [make_app(node_id=f"n{number}", **settings) for number in (1, 2)]


def hits(apps, name, *key, times):
    """Use the limit `times` times, on each node in turn; return the number of allowed uses."""
    allowed = 0
    for number in range(times):
        with apps[number % len(apps)].app_context(), suppress(RateLimitedError):
            limits.hit(name, *key)
            allowed += 1
    return allowed


def test_log_ins_are_counted_exactly_over_all_nodes(two_apps):
    assert hits(two_apps, "login_per_account", "alice", times=40) == 10
    assert hits(two_apps, "login_per_account", "bob", times=4) == 4


def test_an_expired_window_does_not_count(make_app, redis_server):
    name = f"limits-{uuid4().hex[:8]}"
    app = make_app(rate_limits=True, redis_url=redis_server.url, cluster_name=name, rate_login_per_account="3/second")

    first = hits([app], "login_per_account", "alice", times=5)
    time.sleep(2.1)

    assert first <= 4  # a new second may begin between two uses
    assert hits([app], "login_per_account", "alice", times=2) == 2


def test_command_counts_are_shared_with_a_delay(two_apps):
    early = hits(two_apps[:1], "commands_per_user", 7, times=15)
    with two_apps[1].app_context():
        limits.hit("commands_per_user", 7)
    time.sleep(1)

    late = hits(two_apps[1:], "commands_per_user", 7, times=15)

    assert early == 15
    assert late == 4


def test_counting_commands_does_not_wait_for_redis(make_app, own_redis):
    app = make_app(
        rate_limits=True, redis_url=own_redis.url, rate_commands_per_user="100000/hour", rate_messages_per_user="9/hour"
    )
    own_redis.freeze()

    began = time.monotonic()
    allowed = hits([app], "commands_per_user", 7, times=2000)
    took = time.monotonic() - began
    own_redis.thaw()

    assert allowed == 2000
    assert took < 1  # one query to the frozen Redis would take that long


def test_without_redis_each_node_counts_for_itself(make_app, own_redis):
    app = make_app(rate_limits=True, redis_url=own_redis.url, rate_login_per_account="10/hour")
    own_redis.kill()

    assert hits([app], "login_per_account", "alice", times=15) == 10


@pytest.mark.parametrize("kind", ["redis_sentinel", "redis_cluster"])
def test_every_kind_of_redis_stores_the_counts(make_app, request, kind):
    url = request.getfixturevalue(kind).url
    app = make_app(
        rate_limits=True, redis_url=url, cluster_name=f"limits-{uuid4().hex[:8]}", rate_login_per_account="10/hour",
        rate_commands_per_user="20/hour",
    )  # fmt: skip

    assert hits([app], "login_per_account", "alice", times=15) == 10
    assert hits([app], "commands_per_user", 7, times=30) == 20


def test_every_key_in_redis_expires(two_apps, redis_server):
    hits(two_apps, "login_per_account", "alice", times=2)
    hits(two_apps, "commands_per_user", 7, times=2)
    client = redis_server.client()
    pattern = f"*{node_of(two_apps[0]).settings.cluster_name}*"

    wait_for(lambda: len(client.keys(pattern)) == 2, what="both kinds of keys")

    assert all(client.ttl(key) > 0 for key in client.keys(pattern))
