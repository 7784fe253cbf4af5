"""The shared test suite of the two kinds of presence: in memory, and over Redis."""

from uuid import uuid4

import pytest

from imapp.cluster.registry import presence
from imapp.cluster.registry.registry import ConnectionInfo, Registry, registry_of
from imapp.node import node_of


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.slow)])
def node(request, make_app):
    """Create the app of a node, without Redis and with it."""
    settings = {"cluster_name": f"pair-{uuid4().hex[:8]}", "node_id": "here"}
    if request.param == "redis":
        settings["redis_url"] = request.getfixturevalue("redis_server").url
    app = make_app(**settings)
    with app.app_context():
        yield app


@pytest.fixture
def elsewhere(make_app, redis_server):
    """Create a node with a lease, and connect user 9 to another node of its cluster."""
    app = make_app(cluster_name=f"pair-{uuid4().hex[:8]}", node_id="here", redis_url=redis_server.url)
    registry_of(app).renew("one", 60_000, {"id": "here"})
    other = Registry(registry_of(app)._client, node_of(app).settings.cluster_name, "there")
    other.renew("two", 60_000, {"id": "there"})
    other.open(ConnectionInfo("there~1", 9, platform="web"))
    with app.app_context():
        yield app


def connect(sid, user_id):
    one = ConnectionInfo(sid, user_id, platform="web")
    presence.local().connect(one)
    return one


def test_users_with_a_connection_are_online_until_the_last_one_closes(node):
    connect("here~1", 1)
    connect("here~2", 1)
    connect("here~3", 2)
    presence.local().disconnect("here~1")
    presence.local().disconnect("here~3")

    assert presence.cluster().online_among([1, 2, 3]) == {1}
    assert presence.cluster().all_users() == [1]
    assert presence.count() == 1


def test_users_are_listed_in_pages_by_their_ids(node):
    for number in (5, 3, 4, 1):
        connect(f"here~{number}", number)

    assert presence.user_ids(limit=2) == [1, 3]
    assert presence.user_ids(after=3, limit=2) == [4, 5]
    assert presence.user_ids(after=5) == []


def test_a_connection_is_found_by_its_sid_and_by_its_user(node):
    one = connect("here~1", 1)

    assert presence.cluster().connection("here~1") == one
    assert presence.cluster().connection("here~2") is None
    assert presence.cluster().connections_of(1) == [("here", one)]
    assert presence.cluster().connections_of(2) == []


def test_an_unknown_node_has_no_connections(node):
    connect("here~1", 1)

    assert presence.cluster().connections("gone") == []


def test_without_redis_there_is_no_list_of_nodes_and_the_answers_are_complete(app):
    assert presence.cluster().reports() is None
    assert presence.cluster().is_complete()


@pytest.mark.slow
def test_connections_of_other_nodes_are_found_in_redis(elsewhere):
    own = connect("here~1", 1)
    other = ConnectionInfo("there~1", 9, platform="web")

    assert presence.cluster().online_among([1, 2, 9]) == {1, 9}
    assert presence.cluster().all_users() == [1, 9]
    assert presence.cluster().connections_of(9) == [("there", other)]
    assert presence.cluster().connections("there") == [other]
    assert presence.cluster().connection("there~1") == other
    assert presence.cluster().connection("here~1") == own
    assert [report["id"] for report in presence.cluster().reports()] == ["here", "there"]
    assert presence.cluster().is_complete()
