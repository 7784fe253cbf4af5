"""The log of a real node, in both formats, with clients that send hostile and secret data."""

import json
import os
import re
import signal
import socket
from uuid import uuid4

import pytest
import requests

from tests.support.clients.official import PASSWORD
from tests.support.ports import wait_for

#: Text that ends the line, starts another one, and controls a terminal.
EVIL = "x\n2026-01-01T00:00:00.000Z INFO imapp: forged\r\x1b[2J\x1b]0;t\x07\u202e\u2028"

HEAD = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (DEBUG|INFO|WARNING|ERROR) [\w.]+: \w+ ")


def request_by_hand(server, lines: str) -> str:
    """Send an HTTP request that no library would send; return the answer."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as sock:
        sock.sendall((lines + "\r\nConnection: close\r\n\r\n").encode("latin-1"))
        return sock.makefile("rb").read().decode("latin-1")


def lines_of(server) -> list[dict]:
    return [json.loads(line) for line in server.log.splitlines()]


def find(server, event: str, **fields) -> list[dict]:
    return [line for line in lines_of(server) if line["event"] == event and fields.items() <= line.items()]


@pytest.fixture
def json_node(start_server):
    """Run a node that logs as much as possible, as JSON."""
    return start_server(IM_LOG_FORMAT="json", IM_ACCESS_LOG="on", IM_LOG_LEVEL="DEBUG")


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_nothing_sent_by_clients_forges_a_line_or_reveals_a_secret(start_server, device, log_format):
    server = start_server(IM_LOG_FORMAT=log_format, IM_ACCESS_LOG="on", IM_LOG_LEVEL="DEBUG")
    alice = device(server, "alice").connect()
    alice.rest("PATCH", "/api/users/me", {"nickname": EVIL})
    bob = device(server, "bob")
    token, refresh = alice.tokens["access_token"], alice.tokens["refresh_token"]
    words = {"message": f"the words {uuid4().hex}", "wrong": f"wrong {uuid4().hex}"}

    alice.send(words["message"], to_user_id=bob.id)
    alice.call("send_message", {"content": words["message"], EVIL: words["message"]})
    for name in (EVIL, token, "y" * 60_000):
        alice.call(name, {"token": token})
    for path in (f"/api/{token}", "/api/%0a%0d%1b%5b2J%e2%80%a8", f"/api/me?token={token}", "/" + "z" * 3000):
        requests.get(server.url + path, headers={"User-Agent": "\x1b[2J"}, timeout=10)
    requests.get(server.url + "/api/users/me", headers={"Authorization": f"Token {token}", "Cookie": token}, timeout=10)
    for body in (
        {"account": alice.user["username"], "password": words["wrong"]},
        {"account": words["wrong"], "password": "x"},
    ):
        requests.post(server.url + "/api/auth/login", json=body, timeout=10)
    requests.post(server.url + "/api/auth/refresh", json={"refresh_token": refresh + "x"}, timeout=10)
    request_by_hand(
        server, f"GET /api/users/me?x=1 HTTP/1.1\r\nHost: x\r\nX-Request-ID: abc\x1b[2Jdefgh\r\nX-Y: {token}"
    )
    request_by_hand(server, "GET /api/\x1b[2J\x9bforged HTTP/1.1\r\nHost: x\x1b[2J")
    alice.close()
    server.stop()

    log = server.log
    lines = log.splitlines()
    assert len(lines) > 20
    assert all(json.loads(line)["node"] == "node-1" if log_format == "json" else HEAD.match(line) for line in lines)
    assert "".join(lines).isprintable()
    assert max(map(len, lines)) < 2500
    secret_key = (server.folder / "data/secrets.env").read_text().strip().partition("=")[2]
    secrets = [*words.values(), PASSWORD, token, refresh, secret_key]
    secrets += [part for one in (token, refresh) for part in one.split(".")[1:]]
    assert [secret for secret in secrets if secret in log] == []


def test_all_lines_of_a_request_have_its_id(json_node, device):
    alice = device(json_node, "alice")
    headers = {"Authorization": f"Bearer {alice.tokens['access_token']}", "X-Request-ID": "from-nginx-17"}

    answer = requests.get(json_node.url + "/api/conversations/999?token=secret", headers=headers, timeout=10)

    assert answer.headers["X-Request-ID"] == "from-nginx-17"
    (refused,) = find(json_node, "request_refused", request_id="from-nginx-17")
    (access,) = find(json_node, "http_request", request_id="from-nginx-17")
    assert refused["user_id"] == alice.id
    assert access.pop("duration_ms") >= 0
    assert set(access.pop("timestamp")) <= set("0123456789-:.TZ")
    assert access == {
        "level": "INFO", "logger": "imapp.access", "event": "http_request", "node": "node-1", "user_id": alice.id,
        "request_id": "from-nginx-17", "remote": "127.0.0.1", "method": "GET", "path": "/api/conversations/999",
        "status": answer.status_code, "bytes": len(answer.content),
    }  # fmt: skip


@pytest.mark.parametrize("given", ["", "short", "x" * 65, "with blank", "ünïcode-ids"])
def test_an_invalid_request_id_is_replaced(client, given):
    answers = [
        client.get("/api/users/me", headers={"X-Request-ID": given.encode().decode("latin-1")}) for _ in range(2)
    ]

    made = {answer.headers["X-Request-ID"] for answer in answers}
    assert len(made) == 2
    assert all(re.fullmatch("[0-9a-f]{32}", one) for one in made)


def test_a_commands_lines_have_the_connection_the_user_and_the_command(json_node, device):
    alice = device(json_node, "alice").connect()

    alice.call("mark_read", {"conversation_id": 999, "seq": 1})
    alice.call("no_such_command", {})

    (came,) = find(json_node, "user_connected")
    first, second = find(json_node, "command_refused")
    assert came["message"] == f"用户 [{alice.id}] 已连接到节点 node-1"
    assert {line["user_id"] for line in (came, first, second)} == {alice.id}
    assert {line["sid"] for line in (came, first, second)} == {alice.sio.get_sid()}
    assert (first["command"], second["command"]) == ("mark_read", "no_such_command")


def test_a_line_after_a_command_does_not_have_that_commands_fields(json_node, device):
    alice, bob = device(json_node, "alice").connect(), device(json_node, "bob").connect()
    alice.call("no_such_command", {})

    bob.close()

    wait_for(lambda: find(json_node, "user_disconnected"), what="the end of a connection")
    (gone,) = find(json_node, "user_disconnected")
    assert gone["user_id"] == bob.id
    assert "command" not in gone


def test_the_access_log_omits_probes_only(json_node):
    requests.get(json_node.url + "/actuator/health/readiness", timeout=10)
    requests.get(json_node.url + "/actuator/prometheus", timeout=10)
    requests.get(json_node.url + "/api/openapi.json", timeout=10)

    assert {line["path"] for line in find(json_node, "http_request")} == {"/api/openapi.json"}


def test_without_the_access_log_requests_have_ids_but_no_lines(server):
    answer = requests.get(server.url + "/api/openapi.json", timeout=10)

    assert re.fullmatch("[0-9a-f]{32}", answer.headers["X-Request-ID"])
    assert "http_request" not in server.log


def test_a_failed_log_in_has_the_address_and_the_user_if_known(json_node, device):
    alice = device(json_node, "alice")

    for account in (alice.user["username"], "nobody-of-that-name"):
        body = {"account": account, "password": "wrong password"}
        requests.post(json_node.url + "/api/auth/login", json=body, timeout=20)

    known, unknown = find(json_node, "login_failed")
    assert (known["user_id"], known["remote"]) == (alice.id, "127.0.0.1")
    assert "user_id" not in unknown


def test_a_flood_of_lines_is_suppressed_and_counted(start_server):
    server = start_server(IM_LOG_FORMAT="json", IM_ACCESS_LOG="on", IM_LOG_LINES_PER_SECOND="5")
    with requests.Session() as session:
        for _ in range(200):
            session.get(server.url + "/api/users/me", timeout=10)

    server.stop()

    written = len(find(server, "http_request"))
    counted = sum(line["lines"] for line in find(server, "lines_suppressed", of="http_request", by="imapp.access"))
    assert counted > 0
    assert written + counted == 200


def test_the_file_is_rotated_without_losing_a_line(start_server, tmp_path):
    file = tmp_path / "logs" / "node.log"
    server = start_server(
        IM_LOG_FILE=str(file), IM_LOG_FILE_MAX_BYTES="4000", IM_LOG_FILE_COUNT="3", IM_LOG_FORMAT="json",
        IM_ACCESS_LOG="on", IM_LOG_LINES_PER_SECOND="0",
    )  # fmt: skip
    with requests.Session() as session:
        for number in range(100):
            session.get(server.url + "/api/users/me", headers={"X-Request-ID": f"number-{number:04}"}, timeout=10)
    server.stop()

    files = sorted(file.parent.iterdir(), reverse=True)
    assert [one.name for one in files] == ["node.log.3", "node.log.2", "node.log.1", "node.log"]
    assert all(one.stat().st_size < 5000 for one in files)
    kept = [json.loads(line) for one in files for line in one.read_text().splitlines()]
    numbers = [int(line["request_id"][-4:]) for line in kept if line["event"] == "http_request"]
    assert numbers == list(range(numbers[0], 100))
    assert len(numbers) > 30
    assert kept[-1]["event"] == "node_stopped"
    assert server.log == "", "standard error gets only lines that the file does not get"


def test_gunicorns_lines_go_to_the_same_file_after_its_rotation(start_server, tmp_path):
    file = tmp_path / "node.log"
    server = start_server(IM_LOG_FILE=str(file), IM_LOG_FILE_MAX_BYTES="1024", IM_LOG_FORMAT="json", IM_ACCESS_LOG="on")
    for _ in range(10):
        requests.get(server.url + "/api/users/me", timeout=10)

    os.kill(server.worker, signal.SIGKILL)

    def told():
        lines = [json.loads(line) for one in tmp_path.glob("node.log*") for line in one.read_text().splitlines()]
        return [line for line in lines if line["logger"] == "gunicorn.error"]

    assert (tmp_path / "node.log.1").exists()
    wait_for(told, what="gunicorn's line")
    assert "SIGKILL" in told()[0]["event"]


def test_a_signal_turns_debug_on_and_off(json_node, start_server):
    server = start_server(IM_LOG_FORMAT="json")
    for count in (1, 2):
        os.kill(server.process.pid, signal.SIGUSR1)
        event = ("log_level_changed", "log_level_restored")[count - 1]
        wait_for(lambda event=event: find(server, event), what=event)
        requests.get(f"{server.url}/api/users/me?{count}", timeout=10)

    assert len(find(server, "request_refused")) == 1


def test_an_unusable_folder_stops_the_start_with_one_line(server, tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(AssertionError) as caught:
        server.__class__.flask(
            type("Node", (), {"environ": {**server.environ, "IM_LOG_FILE": str(tmp_path / "file/log")}})(),
            "im",
            "settings",
        )

    assert "IM_LOG_FILE=" in str(caught.value)
    assert "cannot be used: " in str(caught.value)
    assert "Traceback" not in str(caught.value)
