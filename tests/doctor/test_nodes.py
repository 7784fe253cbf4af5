"""The doctor asks the nodes over the bus: deaf nodes, duplicate names, other keys, wrong clocks."""

import subprocess
import sys
import time

import pytest
import requests

from imapp.cluster import redis
from imapp.cluster.bus import envelope
from imapp.cluster.bus.factory import make_broker
from imapp.cluster.bus.node_commands import EXAMINED
from imapp.cluster.registry.registry import Registry
from imapp.doctor.context import Context
from imapp.doctor.nodes import reports
from imapp.node import node_of
from tests.conftest import CLUSTER_SECRET
from tests.database.test_clocks import faked
from tests.support.ports import free_port, wait_for
from tests.support.server import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

NAMES = ["nodes.bus", "nodes.alive", "nodes.names", "nodes.versions", "nodes.keys", "nodes.running", "nodes.proxies"]


@pytest.fixture
def beside(app_on):
    """Provide `beside(node, **settings)`: an app with the settings of a node's cluster."""

    def make(node, **settings):
        words = node.environ
        given = {
            "redis_url": words["REDIS_URL"],
            "cluster_name": words["IM_CLUSTER_NAME"],
            "secret_key": words["SECRET_KEY"],
        }
        return app_on(words["DATABASE_URL"], **{**given, **settings})

    return make


def test_healthy_nodes_pass(start_nodes, beside, look):
    app = beside(start_nodes(2, IM_MAX_CONNECTIONS="2000")[0])

    found = {name: look(app, name) for name in [*NAMES, "clocks.nodes", "clocks.redis"]}

    assert {name: one for name, one in found.items() if one.status != "OK"} == {}
    assert found["nodes.alive"].text.startswith("2 nodes answered within ")
    assert found["nodes.running"].text == "patched, enough open files, transport engine"


def test_without_a_cluster_the_checks_are_skipped(app, look):
    assert {look(app, name).status for name in [*NAMES, "clocks.nodes"]} == {"SKIP"}


def test_a_cluster_without_a_node_is_a_warning(app_on, look, redis_server, mariadb_url):
    app = app_on(mariadb_url, redis_url=redis_server.url, cluster_name="nobody")

    assert look(app, "nodes.alive").status == "WARN"
    assert {look(app, name).status for name in ("nodes.names", "nodes.running", "nodes.proxies", "clocks.nodes")} == {
        "SKIP"
    }


def test_a_hanging_node_is_named(start_nodes, beside, look):
    nodes = start_nodes(2, IM_NODE_LEASE_SECONDS="60")
    app = beside(nodes[0])
    nodes[1].freeze()
    try:
        found = look(app, "nodes.alive")
    finally:
        nodes[1].thaw()

    assert found.status == "FAIL"
    assert found.text.startswith("node-2 (")
    assert f"pid {nodes[1].worker}" in found.text
    assert look(app, "nodes.alive").status == "OK"


def test_two_processes_with_one_name_are_both_named(start_nodes, beside, look):
    (node,) = start_nodes(1, IM_NODE_LEASE_SECONDS="60")
    app = beside(node)
    # The second process waits for the name as long as the lease lasts, and is on the bus meanwhile.
    second = subprocess.Popen(
        [sys.executable, "-m", "gunicorn"], cwd=ROOT, env={**node.environ, "PORT": str(free_port())},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_for(lambda: look(app, "nodes.names").status == "FAIL", what="the second answer")
        found = look(app, "nodes.names")
    finally:
        second.kill()
        second.wait()

    assert found.text.count("node-1: ") == 2
    assert f"pid {node.worker}" in found.text


def test_nodes_with_another_secret_are_distinguished_from_deaf_ones(start_nodes, beside, look):
    (node,) = start_nodes(1)
    stranger = beside(node, secret_key="another" + "k" * 32)

    assert look(stranger, "nodes.keys").text == "another SECRET_KEY than here: node-1"
    assert look(stranger, "nodes.alive").status == "FAIL"
    rotating = beside(node, secret_key="another" + "k" * 32, secret_key_previous=CLUSTER_SECRET)
    assert look(rotating, "nodes.keys").status == "WARN"


def test_a_node_with_another_version_is_a_warning(app_on, look, redis_server, mariadb_url):
    app = app_on(mariadb_url, redis_url=redis_server.url, cluster_name="versions")
    with app.app_context():
        report = {"id": "node-9", "host": "h", "pid": 1, "version": "0.0.9"}
        Registry(redis.client(), "versions", "node-9").renew("x", 30_000, report)
        assert [one["id"] for one in reports(Context(app))] == ["node-9"]

    found = look(app, "nodes.versions")

    assert (found.status, found.text.startswith("node-9 runs 0.0.9; this is ")) == ("WARN", True)


@pytest.mark.parametrize(("seconds", "status"), [(3, "WARN"), (-20, "FAIL")])
def test_the_error_of_a_nodes_clock_is_reported(start_nodes, beside, look, seconds, status):
    (node,) = start_nodes(1, **faked(seconds))

    found = look(beside(node), "clocks.nodes")

    assert found.status == status
    assert abs(float(found.text.split()[1]) - seconds) < 1.5


def test_a_wrong_local_clock_differs_from_all_others(start_nodes, doctor):
    (node,) = start_nodes(1)

    told = doctor({**node.environ, **faked(10)}, "--only", "clocks")

    assert told.named("FAIL") == ["clocks.nodes", "clocks.redis", "clocks.database"], told.output
    # Seen from here, the other clocks are ten seconds behind.
    assert all(" -10." in row["text"] or " -9." in row["text"] for row in told.rows.values()), told.output
    assert doctor(node.environ, "--only", "clocks").exit_code == 0


def test_a_node_with_too_few_file_descriptors_reports_it(start_nodes, beside, look):
    (node,) = start_nodes(1, IM_MAX_CONNECTIONS="1000000")

    found = look(beside(node), "nodes.running")

    assert found.status == "FAIL"
    assert found.text.endswith("files for IM_MAX_CONNECTIONS=1000000")


def test_a_proxy_not_trusted_by_a_node_is_named(start_nodes, beside, look, front):
    nodes = start_nodes(1, IM_TRUSTED_PROXIES="10.9.9.9")
    app = beside(nodes[0])
    assert look(app, "nodes.proxies").status == "OK"
    through = front(nodes)

    assert requests.get(through.url + "/actuator/health", timeout=10).ok

    found = look(app, "nodes.proxies")
    assert (found.status, found.command) == ("WARN", "IM_TRUSTED_PROXIES=127.0.0.1")


class _SickNode:
    """A fake node that answers over the real bus with given facts, which a real node cannot be brought to report."""

    def __init__(self, app, **facts) -> None:
        settings = node_of(app).settings.model_copy(update={"node_id": "node-9"})
        self.facts = {
            "id": "node-9",
            "host": "h",
            "pid": 9,
            "unpatched": [],
            "files_limit": 9,
            "max_connections": 9,
            **facts,
        }
        self.channels = envelope.Channels(settings.cluster_name)
        self.broker = make_broker(settings)
        self.broker.subscribe(self.channels.node("node-9"))
        self.broker.start(self)
        wait_for(lambda: self.broker.is_up and self.broker.settle(1), what="the bus")
        with app.app_context():
            report = {**self.facts, "version": "0.1.0"}
            Registry(redis.client(), settings.cluster_name, "node-9").renew("x", 30_000, report)

    def heard(self, _channel, body) -> None:
        asker = envelope.decode(body).argument
        facts = {**self.facts, "clock": time.time()}
        self.broker.publish(self.channels.node(asker), envelope.encode(EXAMINED.make(None, facts)))

    def ready(self) -> None: ...


@pytest.fixture
def sick_node(app_on, redis_server, mariadb_url):
    """Provide `sick_node(**facts)`: an app in the cluster of a node that reports these facts."""
    started = []

    def start(**facts):
        app = app_on(mariadb_url, redis_url=redis_server.url, cluster_name=f"sick{len(facts)}-{next(iter(facts))}")
        started.append(_SickNode(app, **facts))
        return app

    yield start
    for one in started:
        one.broker.close()


@pytest.mark.parametrize(
    ("facts", "name", "text"),
    [
        ({"hears_itself": False}, "nodes.alive", "node-9 does not receive its own messages"),
        ({"unpatched": ["ssl", "time"]}, "nodes.running", "node-9: not patched: ssl, time"),
    ],
)
def test_a_fault_reported_by_a_node_is_a_failure(sick_node, look, facts, name, text):
    found = look(sick_node(**facts), name)

    assert (found.status, found.text) == ("FAIL", text)
