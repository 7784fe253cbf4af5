"""A drained node accepts nothing new, finishes its work, and sends its clients away at a limited rate."""

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
import requests

from tests.support.ports import wait_for
from tests.support.server import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

HANDSHAKE = "/socket.io/?EIO=4&transport=polling"


def order(server, *arguments):
    """Run `flask im drain` on the host of another node, as its operator would."""
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "im", "drain", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=server.environ, capture_output=True, text=True, timeout=90, check=False
    )


def test_a_draining_node_finishes_its_work_and_sends_its_clients_away_one_by_one(start_nodes, device):
    one, two = start_nodes(2, IM_RECONNECTS_PER_SECOND="4", IM_SHUTDOWN_TIMEOUT_SECONDS="20")
    alice = device(one, "alice").connect()
    leaving = [device(two, f"bob{number}").connect() for number in range(16)]
    sent = {}
    is_over = threading.Event()

    def send_until_closed(bob):
        while bob.sio.connected and not is_over.is_set():
            client_id = uuid4().hex
            body = {"client_id": client_id, "type": "text", "content": {"text": "hi"}, "to_user_id": alice.id}
            began = time.monotonic()
            try:
                ack = bob.call("send_message", body, timeout=30)
            except Exception:  # noqa: BLE001 - the socket was closed before it was sent
                assert not bob.sio.connected or time.monotonic() - began < 30
                return
            assert ack["ok"], ack
            sent[client_id] = ack["message"]["conversation_id"]
            time.sleep(0.2)  # 80 sends a second in total: some are always in flight, and the order's process gets time

    with ThreadPoolExecutor(18) as pool:
        pool.submit(is_over.wait, 60).add_done_callback(lambda _: is_over.set())  # after a failure the sends end too
        busy = [pool.submit(send_until_closed, bob) for bob in leaving]
        ordered = pool.submit(order, one, "node-2", "--wait", "40")
        # Starting the process of the order takes time.
        delays = sorted(bob.wait_for("server_draining")["reconnect_after_ms"] for bob in leaving)
        shown = requests.get(two.url + "/actuator/health/readiness", timeout=5).json()
        refused = requests.get(two.url + HANDSHAKE, timeout=5)
        for one_busy in busy:
            one_busy.result()
        ran = ordered.result()
        is_over.set()

    assert shown["components"]["drain"]["status"] == "DOWN"
    assert refused.status_code == 503
    assert delays == [250 * number for number in range(16)]
    assert ran.returncode == 0, ran.stderr
    assert "node-2 was told to drain: 16 connections." in ran.stdout
    assert ran.stdout.endswith("node-2 has stopped.\n")
    wait_for(lambda: two.process.poll() is not None, what="the exit")
    assert two.process.returncode == 0
    stored = {m["client_id"] for conversation in set(sent.values()) for m in alice.history(conversation)}
    assert set(sent) <= stored
    bob = leaving[0].at(one).connect()
    assert bob.send("here again", to_user_id=alice.id)["ok"]


def test_a_draining_node_exits_cleanly_if_all_clients_leave_at_once(start_nodes, device):
    one, two = start_nodes(2, IM_RECONNECTS_PER_SECOND="4", IM_SHUTDOWN_TIMEOUT_SECONDS="60")
    leaving = [device(two, f"bob{number}").connect() for number in range(12)]
    began = time.monotonic()

    two.process.terminate()
    for bob in leaving:
        bob.wait_for("server_draining")
        bob.close()
    two.process.wait(90)

    assert two.process.returncode == 0
    assert "Traceback" not in two.log
    assert time.monotonic() - began < 50, "the node waited for its whole time"
    two.start()
    assert "node_name_in_use" not in two.log, "the node did not release its name"
    assert one.is_ready


def test_changes_made_on_a_stopping_node_reach_the_other_nodes(start_nodes, device):
    """Send the requests over one kept-open connection: the node takes them until it exits."""
    one, two = start_nodes(2, IM_RECONCILE_SECONDS="3600", IM_RECONNECTS_PER_SECOND="2")
    ada, bob = device(one, "ada").connect(), device(two, "bob").connect()
    leaving = [device(two, f"cem{number}").connect() for number in range(4)]  # the stop takes 2 s at least
    group = bob.post("/api/groups", {"name": "crew", "member_ids": [ada.id]})["conversation_id"]
    ada.wait_for("group_created")
    given = []

    two.process.terminate()
    for leaver in leaving:
        leaver.wait_for("server_draining")
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {bob.tokens['access_token']}"
        while two.process.poll() is None:
            body = {"description": f"number {len(given)}"}
            try:
                answer = session.patch(f"{two.url}/api/groups/{group}", json=body, timeout=5)
            except requests.RequestException:
                break
            if answer.ok:
                given.append(body["description"])
            time.sleep(0.03)
    two.process.wait(20)
    ada.send("the last", conversation_id=group)

    assert given, "no request was taken while the node stopped"
    wait_for(lambda: len(ada.received("group_updated")) >= len(given), what="the pushes")
    assert [event["group"]["description"] for event in ada.received("group_updated")] == given


def test_draining_an_unknown_node_fails(nodes):
    ran = order(nodes[0], "node-9")

    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == "Error: No live node has the name node-9: see flask im nodes.\n"


def test_draining_a_node_without_a_cluster_fails(server):
    ran = order(server, "node-1")

    assert ran.returncode == 1
    assert "REDIS_URL is unset" in ran.stderr
