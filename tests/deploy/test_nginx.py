"""The generated configuration with the real Nginx before three real nodes."""

import socket
import subprocess
import threading
import time
from collections import Counter

import pytest
import requests
import socketio

from tests.support.nginx import Nginx, generate
from tests.support.npm import NpmClient
from tests.support.ports import free_port, wait_for
from tests.support.server import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture
def nginx(tmp_path):
    """`nginx(nodes, *options, edit=...)`: a started Nginx."""
    started = []

    def start(nodes, *options, **kwargs):
        started.append(Nginx(tmp_path / f"nginx{len(started)}", nodes, *options, **kwargs).start())
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture(scope="module")
def front(nodes, tmp_path_factory):
    """Nginx before the shared nodes, for tests that leave it running."""
    one = Nginx(tmp_path_factory.mktemp("nginx"), nodes, f"--static={ROOT / 'web'}", "--read-timeout=60").start()
    yield one
    one.stop()


def certificate(folder):
    """A self-signed certificate with its key in one file."""
    file = folder / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "2"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-out", file, "-keyout", folder / "key.pem"]
    subprocess.run([*command, *names], check=True, capture_output=True)
    file.write_text(file.read_text() + (folder / "key.pem").read_text())
    return str(file)


def plain(text):
    """A redirecting server on a port that the test may have instead of 80."""
    return text.replace("listen 80;", f"listen {free_port()};")


@pytest.mark.parametrize("variant", ["plain", "tls", "ip-hash", "static", "networks"])
def test_nginx_takes_every_variant_without_a_word(nodes, tmp_path, variant):
    options = {
        "plain": [],
        "tls": [],
        "ip-hash": ["--ip-hash"],
        "static": [f"--static={ROOT / 'web'}"],
        "networks": ["--allow=10.0.0.0/8", "--server-name=im.example.org"],
    }[variant]

    own = certificate(tmp_path) if variant in {"tls", "static"} else ""
    assert Nginx(tmp_path / "n", nodes, *options, edit=plain, certificate=own).check() == ""


def test_the_example_is_what_the_generator_writes():
    assert (ROOT / "deploy/nginx/imapp.conf").read_text() == generate()


def test_a_node_that_cannot_be_read_is_one_line():
    ran = subprocess.run(
        ["python3", ROOT / "deploy/nginx/generate.py", "--node", "nonsense"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 2
    assert "'nonsense' is not NAME=HOST:PORT" in ran.stderr.splitlines()[-1]


@pytest.mark.parametrize("transports", [["polling"], ["websocket"], ["polling", "websocket"]], ids="-".join)
def test_every_transport_keeps_to_its_node(front, nodes, device, transports):
    devices = [device(front, f"user{number}").connect(transports=transports) for number in range(6)]

    answers = [[one.call("ping_server", {})["node_id"] for _ in range(5)] for one in devices]

    for one, nodes_that_answered in zip(devices, answers, strict=True):
        assert set(nodes_that_answered) == {one.sio.get_sid().partition("~")[0]}
        assert one.sio.eio.current_transport == transports[-1]


def test_the_official_javascript_client_upgrades_through_it(front, device):
    alice = device(front, "alice")
    client = NpmClient()

    client.connect(front.url, alice.tokens["access_token"])
    client.wait_for("connect", timeout=30)

    wait_for(lambda: client.state()["transport"] == "websocket", 20, "the upgrade")
    assert client.call("ping_server")["ok"]
    client.close()


def test_people_on_different_nodes_chat_through_it(front, device):
    people = [device(front, f"user{number}").connect() for number in range(4)]
    first, *others = people
    assert len({one.sio.get_sid().partition("~")[0] for one in people}) == 3

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


def test_the_older_variant_sends_one_address_to_one_node(nginx, nodes, device):
    front = nginx(nodes, "--ip-hash")

    devices = [device(front, f"user{number}").connect() for number in range(5)]

    assert len({one.sio.get_sid().partition("~")[0] for one in devices}) == 1


def test_a_node_that_dies_behind_it_costs_a_reconnect(nginx, start_nodes, device):
    nodes = start_nodes(3)
    front = nginx(nodes)
    people = [device(front, f"user{number}").connect(reconnection=True) for number in range(6)]
    lost = [one for one in people if one.sio.get_sid().startswith("node-2~")]

    nodes[1].kill()

    for one in lost:
        wait_for(lambda one=one: one.sio.connected and not one.sio.get_sid().startswith("node-2~"), 20, "the return")
    assert lost
    for _ in range(10):
        assert people[0].get("/api/users/me")["id"] == people[0].id
    conversation = people[0].send("still there?", to_user_id=people[1].id)["message"]["conversation_id"]
    assert people[1].history(conversation)[-1]["content"]["text"] == "still there?"


def test_what_a_client_says_about_its_address_does_not_get_through(nginx, start_nodes):
    nodes = start_nodes(1, IM_RATE_LIMITS="on", IM_RATE_LOGIN_PER_ADDRESS="3/hour")
    front = nginx(nodes)

    answers = [
        requests.post(
            front.url + "/api/auth/login",
            json={"account": f"user{number}", "password": "wrong password"},
            headers={"X-Forwarded-For": f"198.51.100.{number}", "X-Real-IP": f"198.51.100.{number}"},
            timeout=10,
        ).status_code
        for number in range(5)
    ]

    assert answers == [401, 401, 401, 429, 429]


def test_log_ins_spread_over_the_nodes_count_together(nginx, start_nodes):
    nodes = start_nodes(
        3, IM_RATE_LIMITS="on", IM_RATE_LOGIN_PER_ACCOUNT="10/hour", IM_RATE_LOGIN_PER_ADDRESS="1000/hour"
    )
    front = nginx(nodes)

    answers = Counter(
        requests.post(
            front.url + "/api/auth/login", json={"account": "alice", "password": "wrong password"}, timeout=10
        ).status_code
        for _ in range(100)
    )

    assert answers == {401: 10, 429: 90}


def raw(port, request, timeout=15):
    """Send bytes, give what comes back until the other side closes."""
    with socket.create_connection(("127.0.0.1", port), timeout) as connection:
        connection.sendall(request)
        connection.settimeout(timeout)
        answer = b""
        while piece := connection.recv(65_536):
            answer += piece
        return answer


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"POST /api HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
        b"GET /api/users/me HTTP/1.1\r\nHost: x\r\nX-A: 1\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    ],
    ids=["length and chunks", "folded header", "two lengths"],
)
def test_smuggled_requests_are_refused(front, request_bytes):
    assert raw(front.port, request_bytes).split(b"\r\n")[0].endswith(b"400 Bad Request")


def test_a_body_beyond_the_limit_is_refused_before_it_is_read(front):
    answer = requests.post(front.url + "/api/auth/login", data=b"x" * 300_000, timeout=10)

    assert answer.status_code == 413


def test_who_dawdles_over_the_headers_is_cut_off(nginx, nodes):
    front = nginx(nodes, edit=lambda text: text.replace("client_header_timeout 10s", "client_header_timeout 1s"))
    began = time.monotonic()

    raw(front.port, b"GET / HTTP/1.1\r\nHost: x\r\n")

    assert time.monotonic() - began < 5


def test_files_of_the_page_come_from_nginx_with_the_nodes_own_headers(front, nodes):
    here = requests.get(front.url + "/web/js/main.js", headers={"Host": "im.example.org:81"}, timeout=10)
    there = requests.get(nodes[0].url + "/web/js/main.js", headers={"Host": "im.example.org:81"}, timeout=10)

    assert here.headers["Server"].startswith("nginx")
    assert here.text == there.text
    different = {"Server", "Date", "Connection", "Content-Length", "ETag", "Last-Modified", "Accept-Ranges"}
    different |= {"Content-Disposition", "Content-Type", "Content-Encoding", "Transfer-Encoding"}
    assert {
        name: value for name, value in there.headers.items() if name not in different
    }.items() <= here.headers.items()
    assert here.headers["Content-Type"].split(";")[0] == there.headers["Content-Type"].split(";")[0]
    assert requests.get(front.url + "/", timeout=10).ok


def test_operators_pages_are_not_for_everybody(front):
    assert requests.get(front.url + "/actuator/prometheus", timeout=10).status_code == 403
    assert requests.get(front.url + "/actuator/health", timeout=10).ok


def test_a_reload_ends_the_old_workers_in_time_and_clients_come_back(nginx, nodes, device):
    front = nginx(nodes, edit=lambda text: text.replace("worker_shutdown_timeout 30s", "worker_shutdown_timeout 2s"))
    alice = device(front, "alice").connect(reconnection=True, transports=["websocket"])
    old = front.workers

    front.reload()

    wait_for(lambda: not old & front.workers, 10, "the end of the old workers")
    wait_for(lambda: alice.sio.connected and alice.call("ping_server", {})["ok"], 20, "the return")


def test_an_idle_socket_outlives_the_read_timeout_by_its_heartbeat(nginx, start_nodes, device):
    nodes = start_nodes(1, IM_PING_INTERVAL_SECONDS="1", IM_PING_TIMEOUT_SECONDS="2")
    front = nginx(nodes, "--read-timeout=4")
    alice = device(front, "alice").connect(transports=["websocket"])
    sid = alice.sio.get_sid()

    time.sleep(9)

    assert alice.sio.connected
    assert alice.sio.get_sid() == sid


def test_over_tls_the_page_may_connect_to_its_own_host_and_no_other(nginx, nodes, tmp_path):
    front = nginx(nodes, edit=plain, certificate=certificate(tmp_path))

    own, foreign = (
        requests.get(
            front.url + "/socket.io/?EIO=4&transport=polling",
            headers={"Origin": origin},
            verify=front.certificate,
            timeout=10,
        ).status_code
        for origin in (front.url, "https://evil.example")
    )

    assert (own, foreign) == (200, 400)
