"""The generated configuration in a real Nginx before three real nodes."""

import subprocess
import threading
import time
from collections import Counter

import pytest
import requests
import socketio

from tests.support.nginx import HANDSHAKE, Nginx, generate, redirect_elsewhere
from tests.support.npm import NpmClient
from tests.support.ports import free_port, wait_for
from tests.support.server import ROOT

pytestmark = pytest.mark.slow

#: Log format that names the node of each request.
LOG_WHERE = 'log_format where "$uri $upstream_addr";\n'


def node_of(one):
    """Return the node of a device's session."""
    return (one.sio.get_sid() or "").partition("~")[0]


@pytest.mark.parametrize("variant", ["plain", "tls", "ip-hash", "static", "networks"])
def test_nginx_accepts_every_variant_without_a_warning(nodes, tmp_path, certificate, variant):
    options = {
        "plain": [],
        "tls": [],
        "ip-hash": ["--ip-hash"],
        "static": [f"--static={ROOT / 'web'}"],
        "networks": ["--allow=10.0.0.0/8", "--server-name=im.example.org"],
    }[variant]

    own = certificate if variant in {"tls", "static"} else ""
    assert Nginx(tmp_path / "n", nodes, *options, edit=redirect_elsewhere, certificate=own).check() == ""


def test_the_example_equals_the_generated_configuration():
    assert (ROOT / "deploy/nginx/imapp.conf").read_text() == generate()


@pytest.mark.parametrize(
    ("nodes_given", "complaint"),
    [
        (["nonsense"], "'nonsense' is not NAME=HOST:PORT"),
        (["a-1=h:1", "a.1=h:2"], "names of nodes collide"),
        (["http=h:1"], "names of nodes collide"),
    ],
)
def test_invalid_nodes_are_refused_in_one_line(nodes_given, complaint):
    options = [f"--node={node}" for node in nodes_given]

    ran = subprocess.run(
        ["python3", ROOT / "deploy/nginx/generate.py", *options], capture_output=True, text=True, check=False
    )

    assert ran.returncode == 2
    assert complaint in ran.stderr.splitlines()[-1]


@pytest.mark.parametrize("transports", [["polling"], ["websocket"], ["polling", "websocket"]], ids="-".join)
def test_a_session_stays_on_its_node_with_every_transport(front, nodes, device, transports):
    devices = [device(front, f"user{number}").connect(transports=transports) for number in range(6)]

    answers = [[one.call("ping_server", {})["node_id"] for _ in range(5)] for one in devices]

    for one, nodes_that_answered in zip(devices, answers, strict=True):
        assert set(nodes_that_answered) == {one.sio.get_sid().partition("~")[0]}
        assert one.sio.eio.current_transport == transports[-1]


def test_the_official_javascript_client_upgrades_to_websocket(front, device):
    alice = device(front, "alice")
    client = NpmClient()

    client.connect(front.url, alice.tokens["access_token"])
    client.wait_for("connect")

    wait_for(lambda: client.state()["transport"] == "websocket", what="the upgrade")
    assert client.call("ping_server")["ok"]
    client.close()


def test_users_on_different_nodes_chat(front, device):
    people = [device(front, f"user{number}").connect() for number in range(4)]
    first, *others = people
    assert len({node_of(one) for one in people}) == 3

    body = {"name": "crew", "member_ids": [one.id for one in others]}
    conversation = first.post("/api/groups", body)["conversation_id"]
    for one in others:
        one.wait_for("group_created")
    time.sleep(0.5)
    sent = first.send("hello", conversation_id=conversation)["message"]

    for one in others:
        one.wait_for("message_created", lambda event: event["message"]["id"] == sent["id"])


def test_two_hundred_clients_of_one_address_spread_over_all_nodes(front, device):
    alice = device(front, "alice")
    clients = [socketio.Client(reconnection=False) for _ in range(200)]

    def connect(one):
        one.connect(front.url, auth={"token": alice.tokens["access_token"]}, transports=["websocket"], wait_timeout=30)

    threads = [threading.Thread(target=connect, args=(one,)) for one in clients]
    for index, thread in enumerate(threads):
        thread.start()
        if index % 20 == 19:
            for one in threads[index - 19 : index + 1]:
                one.join(60)
    spread = Counter(one.get_sid().partition("~")[0] for one in clients)
    for one in clients:
        one.disconnect()

    assert sum(spread.values()) == 200
    assert min(spread[f"node-{number}"] for number in (1, 2, 3)) >= 40


def test_with_ip_hash_one_address_is_routed_to_one_node(nginx, nodes, device):
    front = nginx(nodes, "--ip-hash")

    devices = [device(front, f"user{number}").connect() for number in range(5)]

    assert len({node_of(one) for one in devices}) == 1


def test_clients_of_a_killed_node_reconnect_to_another(nginx, start_nodes, device):
    nodes = start_nodes(3)
    front = nginx(nodes)
    people = [device(front, f"user{number}").connect(reconnection=True) for number in range(6)]
    lost = [one for one in people if one.sio.get_sid().startswith("node-2~")]

    nodes[1].kill()

    for one in lost:
        wait_for(lambda one=one: one.sio.connected and not one.sio.get_sid().startswith("node-2~"), what="the return")
    assert lost
    for _ in range(10):
        assert people[0].get("/api/users/me")["id"] == people[0].id
    conversation = people[0].send("still there?", to_user_id=people[1].id)["message"]["conversation_id"]
    assert people[1].history(conversation)[-1]["content"]["text"] == "still there?"


def test_a_draining_node_gets_no_new_sessions_and_its_clients_move(nginx, start_nodes, device):
    nodes = start_nodes(3, IM_RECONNECTS_PER_SECOND="1")
    front = nginx(nodes)
    people = [device(front, f"user{number}").connect(reconnection=True) for number in range(9)]
    moving = [one for one in people if node_of(one) == "node-2"]

    nodes[1].process.terminate()
    wait_for(lambda: not nodes[1].is_ready, what="the start of the drain")
    handshakes = [requests.get(front.url + HANDSHAKE, timeout=10) for _ in range(12)]
    at_work = nodes[1].process.poll() is None

    assert at_work
    assert {answer.status_code for answer in handshakes} == {200}
    assert {one for one in ("node-1", "node-2", "node-3") if any(f'"{one}~' in it.text for it in handshakes)} == {
        "node-1",
        "node-3",
    }
    assert moving
    for one in moving:
        wait_for(lambda one=one: one.sio.connected and node_of(one) != "node-2", what="the move")


def test_sockets_go_to_the_second_port_and_other_requests_to_the_first(nginx, start_nodes, device):
    second = free_port()
    nodes = start_nodes(1, SOCKETIO_PORT=str(second))
    front = nginx(nodes, edit=lambda text: text.replace("access_log", LOG_WHERE + "access_log", 1).replace(
        "access.log;", "access.log where;", 1
    ))  # fmt: skip

    alice = device(front, "alice").connect()
    wait_for(lambda: alice.sio.eio.current_transport == "websocket", what="the upgrade")
    alice.sio.disconnect()
    wait_for(lambda: "/socket.io/" in (front.folder / "access.log").read_text(), what="lines in the log")

    seen = {tuple(line.split()) for line in (front.folder / "access.log").read_text().splitlines()}
    assert {upstream for path, upstream in seen if path == "/socket.io/"} == {f"127.0.0.1:{second}"}
    assert {upstream for path, upstream in seen if path != "/socket.io/"} == {f"127.0.0.1:{nodes[0].port}"}


@pytest.mark.parametrize("path", ["/web/js/main.js", "/web/js/admin/main.js"])
def test_nginx_serves_the_pages_files_with_the_nodes_own_headers(front, nodes, path):
    here = requests.get(front.url + path, headers={"Host": "im.example.org:81"}, timeout=10)
    there = requests.get(nodes[0].url + path, headers={"Host": "im.example.org:81"}, timeout=10)

    assert here.headers["Server"].startswith("nginx")
    assert here.content == there.content
    different = {"Server", "Date", "Connection", "Content-Length", "ETag", "Last-Modified", "Accept-Ranges"}
    different |= {"Content-Disposition", "Content-Type", "Content-Encoding", "Transfer-Encoding", "X-Request-ID"}
    assert {
        name: value for name, value in there.headers.items() if name not in different
    }.items() <= here.headers.items()
    assert here.headers["Content-Type"].split(";")[0] == there.headers["Content-Type"].split(";")[0]
    assert requests.get(front.url + "/", timeout=10).ok
    assert requests.get(front.url + "/admin", timeout=10).ok


def test_a_reload_ends_the_old_workers_in_time_and_clients_reconnect(nginx, nodes, device):
    front = nginx(nodes, edit=lambda text: text.replace("worker_shutdown_timeout 30s", "worker_shutdown_timeout 2s"))
    alice = device(front, "alice").connect(reconnection=True, transports=["websocket"])
    old = front.workers

    front.reload()

    wait_for(lambda: not old & front.workers, what="the end of the old workers")
    wait_for(lambda: alice.sio.connected and alice.call("ping_server", {})["ok"], what="the return")


def test_an_idle_socket_outlives_the_read_timeout_by_its_heartbeat(nginx, start_nodes, device):
    nodes = start_nodes(1, IM_PING_INTERVAL_SECONDS="1", IM_PING_TIMEOUT_SECONDS="2")
    front = nginx(nodes, "--read-timeout=4")
    alice = device(front, "alice").connect(transports=["websocket"])
    sid = alice.sio.get_sid()

    time.sleep(9)

    assert alice.sio.connected
    assert alice.sio.get_sid() == sid
