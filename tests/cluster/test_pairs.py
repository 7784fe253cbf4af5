"""The shared test suites of what a node keeps in memory or, in a cluster, in Redis: limits' counts and history."""

from uuid import uuid4

import pytest
from limits import parse

from imapp.cluster import history
from imapp.cluster.history import history_of
from imapp.cluster.limit_counts import counts


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.slow)])
def node(request, make_app):
    """Create the app of a node, without Redis and with it."""
    url = request.getfixturevalue("redis_server").url if request.param == "redis" else None
    app = make_app(cluster_name=f"pair-{uuid4().hex[:8]}", node_id="here", redis_url=url)
    with app.app_context():
        yield app


# -- counts of rate limits -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["login_per_account", "commands_per_user"], ids=["exact", "checked often"])
def test_uses_within_the_limit_are_allowed_and_the_next_must_wait(node, name):
    rule = parse("3/hour")
    allowed = [counts().use(rule, [name, "alice"], 1) for _ in range(3)]

    wait = counts().use(rule, [name, "alice"], 1)

    assert allowed == [0, 0, 0]
    assert 0 < wait <= 7200
    assert counts().use(rule, [name, "bob"], 1) == 0


def test_several_uses_count_at_once_or_not_at_all(node):
    rule = parse("3/hour")

    assert counts().use(rule, ["members_added_per_user", "7"], 4) > 0
    assert counts().use(rule, ["members_added_per_user", "7"], 3) == 0


def test_a_use_taken_back_is_free_again(node):
    rule, key = parse("1/hour"), ["login_per_account", "alice"]
    for _ in range(5):
        assert counts().use(rule, key, 1) == 0
        counts().use(rule, key, -1)


def test_the_quota_shrinks_with_each_use(node):
    rule, key = parse("3/hour"), ["commands_per_user", "7"]
    counts().use(rule, key, 1)

    quota = counts().quota(rule, key)

    assert (quota.amount, quota.window, quota.left) == (3, 3600, 2)
    assert quota.seconds > 0


# -- history ---------------------------------------------------------------------------------------------------------


def test_records_are_read_by_the_end_of_their_step(node):
    for at in (1000, 1060, 1120):
        history_of(node).add(at, f'"{at}"')

    assert history_of(node).read(since=1000) == {"here": ['"1060"', '"1120"']}
    assert history_of(node).read(since=1120) == {"here": []}


def test_the_oldest_records_beyond_a_day_of_minutes_are_dropped(node):
    for at in range(history.MOST_STEPS + 2):
        history_of(node).add(at, f'"{at}"')

    found = history_of(node).read(since=-1)["here"]

    assert len(found) == history.MOST_STEPS
    assert found[0] == '"2"'
