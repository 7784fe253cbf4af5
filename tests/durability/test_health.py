"""The health endpoints of real servers while the database and Redis hang, refuse, are away or are outdated."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.durability import oracle
from tests.support.ports import wait_for
from tests.support.redis import RedisServer

pytestmark = pytest.mark.timeout(240)

#: Maximum seconds for an answer; probes of Docker and Kubernetes give up by then.
IN_TIME = 6


@pytest.fixture
def own_redis(tmp_path):
    """Run a Redis for this test alone."""
    server = RedisServer(tmp_path / "redis")
    yield server
    server.stop()


@pytest.fixture
def node(own_mariadb, start_server):
    """Provide `node(**environ)`, which starts a node on the database that the test harms."""

    def start(**environ):
        server = start_server(DATABASE_URL=own_mariadb.create_database(), **environ)
        server.wait_until_ready()
        return server

    return start


def ask(server, path=""):
    """Return the components that are down, with their details; fail if the answer takes too long."""
    began = time.monotonic()
    answer = requests.get(server.url + "/actuator/health" + path, timeout=10)
    assert time.monotonic() - began < IN_TIME
    components = answer.json()["components"]
    down = {name: one["details"] for name, one in components.items() if one["status"] == "DOWN"}
    assert (answer.status_code, answer.json()["status"]) == ((503, "DOWN") if down else (200, "UP"))
    return down


def test_a_frozen_database_is_reported_down_in_time_to_all_callers_and_recovers(node, own_mariadb):
    server = node()
    own_mariadb.freeze()
    wait_for(lambda: "db" in ask(server), what="the report of the fault")

    with ThreadPoolExecutor(20) as pool:
        whole = list(pool.map(ask, [server] * 20))
    ready, scraped = ask(server, "/readiness"), requests.get(server.url + "/actuator/prometheus", timeout=IN_TIME)

    assert {tuple(down) for down in whole} == {("db",)}
    assert ready.keys() == {"db"}
    assert "imapp_ready 0.0" in scraped.text
    assert requests.get(server.url + "/actuator/health/liveness", timeout=IN_TIME).ok
    own_mariadb.thaw()
    wait_for(lambda: not ask(server), what="the recovery")


def test_a_stopped_database_is_reported_down_with_the_name_of_the_error(node, own_mariadb):
    server = node()
    own_mariadb.kill()
    wait_for(lambda: ask(server), what="the report of the fault")

    assert ask(server)["db"]["error"] == "OperationalError"


def test_a_database_that_accepts_no_writes_is_reported_by_the_write_path(node, own_mariadb, device):
    server = node(IM_DB_READ_TIMEOUT_SECONDS="1", IM_DB_WRITE_TIMEOUT_SECONDS="1")
    alice, bob = device(server, "alice").connect(), device(server, "bob")
    conversation = oracle.private_conversation(alice, bob)
    alice.send("before", conversation_id=conversation)

    name = server.environ["DATABASE_URL"].rsplit("/", 1)[1]
    with own_mariadb.locked(f"{name}.messages") as unlock:
        refused = alice.call("send_message", {
            "conversation_id": conversation, "client_id": "c", "type": "text", "content": {"text": "during"}
        })  # fmt: skip
        down = ask(server, "/readiness")
        unlock()

    assert refused["error"]["code"] in {"unavailable", "busy"}
    assert down.keys() == {"writePath"}
    assert (down["writePath"]["last_commit_ok"], down["writePath"]["most"]) == (False, 10_000)
    alice.send("after", conversation_id=conversation)
    assert ask(server) == {}


def test_a_node_on_outdated_tables_becomes_ready_after_their_upgrade(node):
    server = node()
    server.stop()
    server.flask("db", "downgrade")
    server.start()

    down = ask(server, "/readiness")
    server.flask("db", "upgrade")

    assert down.keys() == {"migrations"}
    assert down["migrations"]["database"] != down["migrations"]["code"]
    server.wait_until_ready()


@pytest.mark.parametrize("harm", ["kill", "freeze"])
def test_without_redis_a_node_is_alive_but_ready_only_if_the_setting_allows_it(node, own_redis, harm):
    strict = node(REDIS_URL=own_redis.url, NODE_ID="node-1")
    lenient = node(REDIS_URL=own_redis.url, NODE_ID="node-2", IM_CLUSTER_NAME="other", IM_READY_WITHOUT_REDIS="on")
    getattr(own_redis, harm)()

    wait_for(lambda: ask(strict).keys() == {"redis", "bus"}, what="the report of the fault")
    wait_for(lambda: ask(lenient).keys() == {"redis"}, what="the report of the fault")

    assert ask(strict)["redis"]["error"] in {"ConnectionError", "TimeoutError"}
    assert ask(strict, "/readiness").keys() == {"bus"}
    assert ask(lenient, "/readiness") == {}
    for server in (strict, lenient):
        assert requests.get(server.url + "/actuator/health/liveness", timeout=IN_TIME).ok


def test_with_database_and_redis_frozen_health_still_answers_in_time(node, own_mariadb, own_redis):
    server = node(REDIS_URL=own_redis.url)
    own_mariadb.freeze()
    own_redis.freeze()

    wait_for(lambda: {"redis", "db"} <= ask(server).keys(), what="the report of the fault")
