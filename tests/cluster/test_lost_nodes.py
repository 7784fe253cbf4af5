"""A node dies, restarts or loses its connection to Redis; all clients learn what was committed before and meanwhile.

The hourly reconciliation of the nodes does not run during these tests: the nodes must notice the failure themselves.
"""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from uuid import uuid4

import pytest
from socketio.exceptions import ConnectionError as Refused

from tests.conftest import running_cluster
from tests.support.commits import CommitLoser
from tests.support.ports import WITHIN, wait_for
from tests.support.proxy import Proxy
from tests.support.redis import RedisServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def way_to_mariadb(mariadb):
    """Run a proxy between the first node and MariaDB."""
    proxy = CommitLoser(mariadb.port)
    yield proxy
    proxy.close()


@pytest.fixture(scope="module")
def way_to_redis(redis_server):
    """Run a proxy between the second node and Redis."""
    proxy = Proxy(redis_server.port)
    yield proxy
    proxy.close()


@pytest.fixture(scope="module")
def pair(tmp_path_factory, mariadb, redis_server, way_to_mariadb, way_to_redis):
    """Run two nodes of a cluster, each with a proxy to one of its servers."""
    folder = tmp_path_factory.mktemp("lost-nodes")
    url = mariadb.create_database()
    both = {"IM_NODE_LEASE_SECONDS": "4", "IM_RECONCILE_SECONDS": "3600"}
    environs = [
        {**both, "DATABASE_URL": url.replace(f":{mariadb.port}/", f":{way_to_mariadb.port}/")},
        {**both, "REDIS_URL": f"redis://127.0.0.1:{way_to_redis.port}"},
    ]
    with running_cluster(folder, url, redis_server.url, *environs) as started:
        yield started


@pytest.fixture
def people(pair, device):
    """Connect Ada to the first node and Bob to the second; they are in one group."""
    one, two = pair
    ada, bob = device(one, "ada").connect(), device(two, "bob").connect()
    group = ada.post("/api/groups", {"name": "crew", "member_ids": [bob.id]})["conversation_id"]
    bob.wait_for("group_created")
    bob.wait_for("sync_required", lambda event: event["reason"] == "joined")
    bob.events.clear()
    return ada, bob, group


def test_a_restarted_node_is_heard_in_several_rooms(pair, people, device):
    ada, bob, group = people
    others = [device(pair[0], f"other{number}") for number in range(3)]
    add = lambda one: ada.post(f"/api/groups/{group}/members", {"user_ids": [one.id]})  # noqa: E731
    for one in others:
        add(one)
    for one in others:
        bob.wait_for("members_added", lambda event, one=one: event["user_ids"] == [one.id])

    pair[0].stop()
    pair[0].start()
    pair[0].wait_until_ready()
    for one in others:
        assert ada.rest("DELETE", f"/api/groups/{group}/members/{one.id}").ok
    ada.rest("DELETE", f"/api/groups/{group}/members/{bob.id}")

    removed = [event["user_id"] for event in wait_for_all(bob, "member_removed", 4)]
    assert removed == [*(one.id for one in others), bob.id]


def wait_for_all(device, event, count):
    wait_for(lambda: len(device.received(event)) >= count, what=f"{count} x {event}")
    return device.received(event)


@pytest.fixture
def kill(pair, way_to_mariadb):
    """Provide `kill()`, which kills the first node; it is started again at the end."""

    def act():
        pair[0].kill()
        way_to_mariadb.swallows = False
        way_to_mariadb.cut()

    yield act
    pair[0].start()
    pair[0].wait_until_ready()


def test_a_message_committed_but_not_pushed_by_a_killed_node_is_found(pair, people, way_to_mariadb, kill):
    ada, bob, group = people
    message = {"client_id": uuid4().hex, "type": "text", "content": {"text": "last words"}, "conversation_id": group}

    way_to_mariadb.swallow_answer_of_next()
    ada.sio.emit("send_message", message)
    wait_for(lambda: bob.history(group)[-1]["type"] == "text", what="the commit")
    kill()
    bob.wait_for("sync_required", lambda event: event["reason"] == "untold")
    again = ada.at(pair[1]).connect()
    answer = again.call("send_message", message)

    assert answer["duplicate"]
    bob.wait_for("message_created", lambda event: event["message"]["id"] == answer["message"]["id"])
    again.close()


@pytest.fixture
def stall(way_to_redis):
    """Provide `stall()`: the connection to Redis stalls, as after lost packets, too shortly to make the node deaf."""
    ending = threading.Timer(2.4, way_to_redis.release)

    def begin():
        way_to_redis.hold()
        ending.start()

    yield begin
    ending.join()


def test_a_client_admitted_before_its_rooms_are_subscribed_is_told_to_sync(pair, people, stall):
    ada, bob, group = people
    bob.close()
    time.sleep(0.5)  # the second node is no longer subscribed to the group

    stall()
    bob.events.clear()
    bob.connect(wait_timeout=10)
    said = ada.send("too early", conversation_id=group)["message"]

    def is_told():
        heard = [event["message"]["id"] for event in bob.received("message_created")]
        return said["id"] in heard or bob.received("sync_required")

    wait_for(is_told, WITHIN, "a push or a hint to Bob")


def test_a_session_that_ends_while_its_connection_is_admitted_is_closed(pair, device, stall):
    bob = device(pair[1], "bob")

    stall()
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(bob.connect, wait_timeout=10)
        time.sleep(1.2)  # the session has been checked, and the node waits for the subscriptions
        assert bob.rest("POST", "/api/auth/logout").ok
        with suppress(Refused):
            coming.result()

    wait_for(lambda: not bob.sio.connected, WITHIN, "the end of the connection")
    assert bob.rest("GET", "/api/users/me").status_code == 401


def test_a_message_published_to_a_redis_without_the_other_nodes_is_found(pair, people, way_to_redis, tmp_path):
    """As if nodes see a failover at different times: one publishes to the old master, the other hears the new one."""
    ada, bob, group = people
    elsewhere = RedisServer(tmp_path / "redis")

    home = way_to_redis.turn_to(elsewhere.port)
    pair[1].wait_until_ready()
    ada.events.clear()
    said = bob.send("into the void", conversation_id=group)["message"]
    way_to_redis.turn_to(home)

    ada.wait_for("sync_required", lambda event: event["reason"] == "untold")
    assert said["id"] not in [event["message"]["id"] for event in ada.received("message_created")]
    elsewhere.stop()


def test_a_read_mark_committed_but_not_pushed_by_a_killed_node_is_found(pair, people, way_to_mariadb, kill):
    ada, bob, group = people
    said = bob.send("have you read this?", conversation_id=group)["message"]
    ada.wait_for("message_created", lambda event: event["message"]["id"] == said["id"])

    way_to_mariadb.swallow_answer_of_next()
    ada.sio.emit("mark_read", {"conversation_id": group, "seq": said["seq"]})
    wait_for(lambda: way_to_mariadb.swallows, what="the commit")
    kill()

    bob.wait_for("sync_required", lambda event: event["reason"] == "untold")
    assert not bob.received("conversation_read")
