"""Slow, incomplete or malformed requests hold no shared resources, and end in time."""

import socket
import threading

import pytest
import requests

from imapp.extensions import db
from imapp.schemas.base import SMALL_BODY
from imapp.services.accounts import passwords
from tests.accounts import PASSWORD, bearer, promote, register
from tests.support.ports import wait_for

#: Number of incomplete requests: more than the database's pool has connections (15 on SQLite).
HALF_BODIES = 20


def begin(server, head, body=b"{"):
    """Send the head of a request and a part of its body; return the socket."""
    sock = socket.create_connection(("127.0.0.1", server.port), 15)
    sock.sendall(head.encode() + b"\r\n" + body)
    return sock


def read_to_the_end(sock):
    """Return everything received until the server closes the connection."""
    with sock:
        return b"".join(iter(lambda: sock.recv(65_536), b""))


@pytest.fixture
def node(start_server):
    return start_server(IM_BODY_TIMEOUT_SECONDS="2")


@pytest.fixture
def ada(node):
    body = {"username": "ada", "password": PASSWORD}
    return requests.post(node.url + "/api/auth/register", json=body, timeout=10).json()


def test_unfinished_bodies_time_out_and_do_not_block_other_requests(node, ada):
    token = bearer(ada)
    head = "POST {} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n"
    known = head.format("/api/sync") + f"Authorization: {token['Authorization']}\r\n"
    slow = [begin(node, known) for _ in range(HALF_BODIES)]
    slow += [begin(node, head.format("/api/auth/login")) for _ in range(3)]
    slow += [begin(node, head.format("/nowhere")) for _ in range(3)]

    answer = requests.get(node.url + "/api/users/me", headers=token, timeout=1.5)
    metrics = requests.get(node.url + "/actuator/prometheus", timeout=1.5).text

    assert answer.ok
    assert "imapp_database_pool_in_use 0" in metrics
    ends = [read_to_the_end(sock) for sock in slow]
    assert all(b" 408 " in end and b'"code":"request_timeout"' in end for end in ends[: HALF_BODIES + 3])
    assert all(b" 404 " in end for end in ends[HALF_BODIES + 3 :])


def test_a_body_with_broken_framing_is_answered_400_without_a_traceback(server):
    logged = len(server.log)
    head = (
        "POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
    )
    broken = (b"xyz\r\n{}\r\n0\r\n\r\n", b"2\r\n{}garbage\r\n0\r\n\r\n", b"0\r\nno trailer\r\n\r\n", b"-1\r\n\r\n")

    answers = [read_to_the_end(begin(server, head, body)) for body in broken]

    assert all(answer.startswith(b"HTTP/1.1 400 ") and answer.count(b"HTTP/1.1") == 1 for answer in answers)
    assert "Traceback" not in server.log[logged:]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/auth/login", {"account": "ada", "password": PASSWORD}),
        ("POST", "/api/auth/register", {"username": "bob", "password": PASSWORD}),
        ("POST", "/api/auth/password", {"old_password": PASSWORD, "new_password": PASSWORD * 2}),
        ("POST", "/api/admin/login", {"account": "ada", "password": PASSWORD}),
        ("DELETE", "/api/users/me", {"password": PASSWORD}),
    ],
)
def test_no_database_connection_is_held_while_a_password_waits_to_be_hashed(make_app, method, path, body):
    app = make_app(argon2_concurrency=1)
    tokens = register(app.test_client(), "ada")
    promote(app, tokens)
    answers = []
    slot = passwords._slots(1)

    def ask():
        answers.append(app.test_client().open(path, method=method, json=body, headers=bearer(tokens)).status_code)

    with slot:
        thread = threading.Thread(target=ask)
        thread.start()
        wait_for(lambda: slot._cond._waiters, what="a password to wait for its hash")
        with app.app_context():
            held = db.engine.pool.checkedout()
    thread.join(20)

    assert held == 0
    assert answers[0] < 300


@pytest.mark.parametrize(
    "path", ["/api/auth/login", "/api/auth/refresh", "/api/auth/register", "/api/contact-requests"]
)
def test_small_requests_accept_small_bodies_only(client, path):
    answer = client.post(path, json={"unknown": "x" * SMALL_BODY})

    assert (answer.status_code, answer.json["code"]) == (413, "too_large")


def test_sync_accepts_large_bodies(client):
    tokens = register(client, "ada")
    named = {str(number): 1 for number in range(1, 10_001)}

    assert client.post("/api/sync", json={"conversations": named}, headers=bearer(tokens)).status_code == 200


def test_anonymous_requests_are_counted_before_their_body_is_read(make_app):
    client = make_app(rate_limits=True, rate_anonymous_per_address="2/minute").test_client()

    answers = [client.post("/api/auth/login", data=b"rubbish") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [415, 415, 429]


def test_syncs_count_toward_a_limit_per_user(make_app):
    app = make_app(rate_limits=True, rate_sync_per_user="2/minute")
    client = app.test_client()
    tokens = register(client, "ada")

    answers = [client.post("/api/sync", json={}, headers=bearer(tokens)) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].json["code"] == "rate_limited"
