"""The connection to the database breaks during a COMMIT: its outcome is unknown, and affected clients sync at once.

The hourly reconciliation of the nodes does not run during these tests, so it is not the mechanism tested here.
"""

import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from tests.conftest import running_cluster
from tests.support.commits import CommitLoser
from tests.support.ports import WITHIN, wait_for

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ways(mariadb):
    """Run a proxy to MariaDB for each of two nodes."""
    proxies = CommitLoser(mariadb.port), CommitLoser(mariadb.port)
    yield proxies
    for proxy in proxies:
        proxy.close()


@pytest.fixture
def network(ways):
    """Return the first node's proxy."""
    return ways[0]


@pytest.fixture(scope="module")
def pair(tmp_path_factory, mariadb, redis_server, ways):
    """Run two nodes of a cluster."""
    folder = tmp_path_factory.mktemp("commit-unknown")
    url = mariadb.create_database()
    environs = [
        {
            "DATABASE_URL": url.replace(f":{mariadb.port}/", f":{way.port}/"),
            "IM_DB_READ_TIMEOUT_SECONDS": "3", "IM_RECONCILE_SECONDS": "3600",
        }
        for way in ways
    ]  # fmt: skip
    with running_cluster(folder, url, redis_server.url, *environs) as started:
        yield started


@pytest.fixture
def people(pair, device):
    """Connect Ada to the first node, and her other device, Bob and Cy to the second."""
    one, two = pair
    ada = device(one, "ada").connect()
    phone = ada.other_device().at(two).connect()
    people = ada, phone, device(two, "bob").connect(), device(two, "cy").connect()
    yield people
    phone.close()


def make_group(ada, *members):
    group = ada.post("/api/groups", {"name": "crew", "member_ids": [one.id for one in members]})["conversation_id"]
    for one in members:
        one.wait_for("group_created")
    return group


def told(*devices):
    for one in devices:
        one.wait_for("sync_required", lambda event: event["reason"] == "commit_unknown", timeout=WITHIN)


def hears(device, group, speaker):
    said = speaker.send(uuid4().hex, conversation_id=group)["message"]
    device.wait_for("message_created", lambda event: event["message"]["id"] == said["id"], timeout=WITHIN)


def lose(network, device, method, path, body=None):
    network.lose_next()
    answer = device.rest(method, path, body)
    assert answer.status_code == 503, answer.text
    assert answer.json()["code"] == "unavailable"


def test_an_added_member_gets_the_groups_messages(network, people):
    ada, phone, bob, cy = people
    group = make_group(ada, cy)

    lose(network, ada, "POST", f"/api/groups/{group}/members", {"user_ids": [bob.id]})
    told(bob, cy, ada, phone)
    again = ada.post(f"/api/groups/{group}/members", {"user_ids": [bob.id]})

    assert again["added"] == [], "it was stored"
    hears(bob, group, ada)


def test_a_removed_member_gets_no_messages(network, people):
    ada, _, bob, cy = people
    group = make_group(ada, bob, cy)

    lose(network, ada, "DELETE", f"/api/groups/{group}/members/{bob.id}")
    told(bob, cy)

    hears(cy, group, ada)
    bob.call("ping_server")
    assert not bob.received("message_created") or bob.received("message_created")[-1]["message"]["type"] == "system"
    assert group not in [one["id"] for one in bob.get("/api/conversations")["items"]]


def test_members_sync_after_a_group_was_renamed(network, people):
    ada, phone, bob, _ = people
    group = make_group(ada, bob)

    lose(network, ada, "PATCH", f"/api/groups/{group}", {"name": "renamed"})

    told(bob, phone)
    assert bob.get(f"/api/groups/{group}")["name"] == "renamed"


def test_members_of_a_new_group_get_its_messages_and_a_repeat_creates_no_second_group(network, people):
    ada, _, bob, _ = people
    key = {"Idempotency-Key": uuid4().hex}
    body = {"name": "crew", "member_ids": [bob.id]}

    network.lose_next()
    lost = ada.rest("POST", "/api/groups", body, **key)
    told(bob, ada)
    again = ada.rest("POST", "/api/groups", body, **key)

    assert (lost.status_code, again.status_code, again.json()["code"]) == (503, 409, "idempotency_key_in_use")
    [group] = [one["id"] for one in ada.get("/api/conversations")["items"]]
    hears(bob, group, ada)


@pytest.mark.parametrize("kind", ["own settings", "request for contact", "block", "profile"])
def test_the_users_devices_sync_after_a_change_of_own_state(network, people, kind):
    ada, phone, bob, _ = people
    group = make_group(ada, bob)
    method, path, body = {
        "own settings": ("PATCH", f"/api/conversations/{group}", {"is_muted": True}),
        "request for contact": ("POST", "/api/contact-requests", {"user_id": bob.id}),
        "block": ("PUT", f"/api/blocks/{bob.id}", None),
        "profile": ("PATCH", "/api/users/me", {"nickname": "Ada L."}),
    }[kind]

    lose(network, ada, method, path, body)

    told(ada, phone, *([bob] if kind == "request for contact" else []))


def test_an_ended_session_loses_its_socket(network, people):
    ada, phone, _, _ = people
    [session] = [one["id"] for one in ada.get("/api/sessions")["items"] if not one["current"]]

    lose(network, ada, "DELETE", f"/api/sessions/{session}")

    phone.wait_for("session_ended")
    wait_for(lambda: not phone.sio.connected, WITHIN, "the end of the socket")


def test_after_a_failed_removal_the_member_gets_messages_once_the_database_is_back(network, people):
    ada, _, bob, _ = people
    group = make_group(ada, bob)

    bob.wait_for(
        "sync_required", lambda event: event["reason"] == "joined"
    )  # no other catching up of Bob is pending now

    network.leave_before_next(3)
    assert ada.rest("DELETE", f"/api/groups/{group}/members/{bob.id}").status_code == 503
    heard = threading.Event()
    bob.sio.on("message_created", lambda _payload: heard.set())
    wait_for(lambda: ada.rest("GET", f"/api/groups/{group}").ok, what="the database")

    wait_for(
        lambda: ada.send("still here?", conversation_id=group) and heard.wait(0.3), WITHIN, "a message at Bob's device"
    )


def test_a_member_removed_and_added_again_gets_messages_if_one_node_learns_of_its_commit_late(network, people):
    ada, _, bob, _ = people
    group = make_group(ada, bob)
    fast = ada.at(bob.server)
    bob.wait_for("sync_required", lambda event: event["reason"] == "joined")
    bob.events.clear()

    def is_added():
        answer = fast.rest("POST", f"/api/groups/{group}/members", {"user_ids": [bob.id]})
        return answer.ok and answer.json()["added"]

    network.delay_from_next(1.0)
    with ThreadPoolExecutor(1) as pool:
        removal = pool.submit(ada.rest, "DELETE", f"/api/groups/{group}/members/{bob.id}")
        wait_for(is_added, what="the removal")
        assert removal.result().status_code == 204
    network.delay = 0.0

    bob.wait_for("sync_required", lambda event: event["reason"] == "joined")
    hears(bob, group, ada)


def test_a_retry_pushes_a_message_committed_after_the_hint_to_sync(network, people):
    ada, _, bob, _ = people
    group = make_group(ada, bob)
    body = {"client_id": uuid4().hex, "type": "text", "content": {"text": "late"}, "conversation_id": group}

    network.hold_next(5)
    lost = ada.call("send_message", body)
    told(bob)
    before = bob.history(group)
    wait_for(lambda: len(bob.history(group)) > len(before), what="the late commit")
    again = ada.call("send_message", body)

    assert lost["error"]["code"] == "unavailable"
    assert again["duplicate"]
    bob.wait_for("message_created", lambda event: event["message"]["id"] == again["message"]["id"], timeout=WITHIN)
