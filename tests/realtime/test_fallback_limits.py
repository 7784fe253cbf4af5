"""The limits of IM_TRANSPORT=stock: what gevent-websocket and gevent's HTTP server do not check by themselves."""

import json
import socket
import subprocess
import sys
import time
from importlib.util import find_spec

import pytest
import websocket

from tests.accounts import PASSWORD
from tests.support import apps
from tests.support.ports import wait_for
from tests.support.server import ROOT, Server

LIMIT = 100_000
KEY = b"\1\2\3\4"
HANDSHAKE = {
    "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "MTIzNDU2Nzg5MDEyMzQ1Ng==",
}  # fmt: skip
SOCKETS = "/socket.io/?EIO=4&transport=websocket"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def node(tmp_path_factory, sqlite_template):
    """Run a node on gevent-websocket."""
    folder = tmp_path_factory.mktemp("stock")
    apps.copy_of(sqlite_template, folder / "data")
    server = Server(folder, IM_TRANSPORT="stock", IM_MAX_PAYLOAD_BYTES=str(LIMIT), IM_ACCESS_LOG="on")
    yield server
    server.stop()


@pytest.fixture
def ask(node):
    """Provide `ask(line, headers, body)`: send a request as it is; return the socket."""
    opened = []

    def send(line: str, headers: dict[str, str] | str = "", body: bytes = b"") -> socket.socket:
        if isinstance(headers, dict):
            headers = "".join(f"{name}: {text}\r\n" for name, text in headers.items())
        sock = socket.create_connection(("127.0.0.1", node.port), 15)
        opened.append(sock)
        sock.sendall(f"{line} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode() + body)
        return sock

    yield send
    for sock in opened:
        sock.close()


@pytest.fixture
def shake(ask):
    """Provide `shake()`, which opens a WebSocket and reads Engine.IO's first packet."""

    def shake() -> socket.socket:
        sock = ask(f"GET {SOCKETS}", HANDSHAKE)
        received = b""
        while b"upgrades" not in received:
            received += sock.recv(4096)
        assert received.startswith(b"HTTP/1.1 101 ")
        return sock

    return shake


def frame(opcode: int, payload: bytes, *, is_final: bool = True, is_masked: bool = True) -> bytes:
    """Return a client's frame of less than 64 KiB."""
    head = bytes((opcode | is_final << 7, 126 | is_masked << 7)) + len(payload).to_bytes(2, "big")
    if opcode >= 8:
        head = bytes((opcode | 0x80, len(payload) | is_masked << 7))
    masked = bytes(byte ^ KEY[index % 4] for index, byte in enumerate(payload))
    return head + KEY + masked if is_masked else head + payload


def rest(sock: socket.socket) -> bytes:
    """Return everything received until the server closes the connection."""
    received = b""
    try:
        while data := sock.recv(65_536):
            received += data
    except ConnectionResetError:
        pass
    return received


def close_code(sock: socket.socket) -> int:
    """Return the code of the close frame with which the server ends the connection."""
    received = rest(sock)
    assert received[-4:-2] == b"\x88\x02", received
    return int.from_bytes(received[-2:], "big")


def announced(size: int) -> bytes:
    """Return the header of a frame of text, without its payload."""
    return b"\x81\xff" + size.to_bytes(8, "big") + KEY


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (announced(LIMIT + 1), 1009),
        (announced(2**63), 1009),
        (frame(1, b"4" * 60_000, is_final=False) + frame(0, b"4" * 60_000, is_final=False)[:8], 1009),
        (frame(9, b"ping") * 60, 1008),
        (frame(1, b"40", is_masked=False), 1002),
        (b"\xc1" + frame(1, b"40")[1:], 1002),
        (b"\x89\xfe" + frame(1, b"x" * 200)[2:], 1002),
        (frame(1, b"\xff\xfe"), 1007),
        (frame(1, b"9"), 1000),
        (frame(8, b"\x03\xe8bye"), 1000),
    ],
    ids=[
        "large frame", "endless frame", "large in fragments", "pings", "no mask", "reserved bit", "large ping",
        "no UTF-8", "no packet of Engine.IO", "close with a reason",
    ],
)  # fmt: skip
def test_a_client_that_breaks_a_rule_is_told_so_with_the_code_of_the_rule(node, shake, sent, code):
    logged = len(node.log)
    sock = shake()

    sock.sendall(sent)

    assert close_code(sock) == code
    assert "Traceback" not in node.log[logged:]


def test_pings_between_the_fragments_of_a_message_of_full_size_are_answered(shake):
    sock = shake()
    first, ping = frame(1, b"40", is_final=False), frame(9, b"hello")
    rest_of_it = frame(0, b"{}" + b" " * 50_000, is_final=False) + frame(0, b" " * (LIMIT - 50_004))

    sock.sendall(first + ping + rest_of_it)

    received = b""
    while b"44{" not in received and (data := sock.recv(65_536)):
        received += data
    assert received.startswith(b"\x8a\x05hello")
    assert b"44{" in received  # the message has arrived: it is a CONNECT without a token


@pytest.mark.parametrize(
    ("line", "changes", "status"),
    [
        (f"GET {SOCKETS}", {"Sec-WebSocket-Key": "not base64"}, b"400"),
        (f"GET {SOCKETS}", {"Sec-WebSocket-Key": "c2hvcnQ="}, b"400"),
        (f"GET {SOCKETS}", {"Sec-WebSocket-Version": "76"}, b"400"),
        (f"GET {SOCKETS}", {"Sec-WebSocket-Version": ""}, b"426"),
        (f"GET {SOCKETS}", {"Origin": "http://evil.example"}, b"400"),
        (f"GET {SOCKETS}&sid=none", {}, b"400"),
        ("GET /nowhere", {}, b"404"),
    ],
)
def test_a_refused_handshake_gets_an_answer_of_http(node, ask, line, changes, status):
    logged = len(node.log)

    answer = rest(ask(line, HANDSHAKE | changes))

    assert answer.startswith(b"HTTP/1.1 " + status), answer
    assert b"\r\nConnection: close\r\n" in answer
    assert b"\x88\x02" not in answer  # no close frame behind it
    assert "Traceback" not in node.log[logged:]


#: The server's own answer; the app's answers have a body.
REFUSAL = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-length: 0\r\n\r\n"
LOGIN = "POST /api/auth/login"
JSON = "Content-Type: application/json\r\n"


@pytest.mark.parametrize(
    "headers",
    [
        "Content-Length: 2\r\nContent-Length: 2\r\n",
        "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Content-Length: +2\r\n",
        "Content-Length : 2\r\n",
        "Content-Length: 2\r\nX-Text: 1\r\n folded: x\r\n",
        "Content-Length: 2\rX-Hidden: 1\r\n",
        "Content-Length: 2\r\nX-Nul: \0\r\n",
        "".join(f"X-{number}: {'x' * 1000}\r\n" for number in range(90)),
        "".join(f"X-{number}: x\r\n" for number in range(120)),
    ],
    ids=[
        "two lengths", "length and coding", "two codings", "signed", "space", "folded", "bare CR", "NUL", "large",
        "many",
    ],
)  # fmt: skip
def test_headers_that_two_servers_could_read_differently_are_refused(node, ask, headers):
    logged = len(node.log)

    answer = rest(ask(LOGIN, JSON + headers, b"{}"))

    assert answer == REFUSAL
    assert "Traceback" not in node.log[logged:]


def test_a_request_with_an_upgrade_still_has_its_body_and_the_connection_goes_on(node, ask, device):
    body = json.dumps({"account": device(node, "ada").user["username"], "password": PASSWORD}).encode()
    length = f"Content-Length: {len(body)}\r\n"
    chunked = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)

    sock = ask(LOGIN, JSON + "Upgrade: websocket\r\n" + length, body)
    sock.sendall(f"{LOGIN} HTTP/1.1\r\nHost: x\r\n{JSON}Upgrade: websocket\r\n".encode() + chunked)
    received = rest(sock)

    assert received.count(b"HTTP/1.1 200 ") == received.count(b"access_token") == 2
    assert received.count(b"Server: imapp\r\n") == 2
    assert received.count(b"Connection: close\r\n") == 1


def test_idle_connections_and_slow_headers_end_in_the_keep_alive_time(node, ask):
    idle = ask("GET /actuator/health/liveness")
    slow = socket.create_connection(("127.0.0.1", node.port), 15)
    slow.sendall(b"GET / HTTP/1.1\r\n")
    half = ask("POST /nowhere", JSON + "Content-Length: 1000\r\n", b"{")
    began = time.monotonic()

    answers = [rest(sock) for sock in (idle, slow, half)]

    assert time.monotonic() - began < 8
    assert [answer[9:12] for answer in answers] == [b"200", b"400", b"404"]
    slow.close()


def test_a_stop_does_not_wait_for_clients_that_do_not_answer_the_close_frame(start_server, device):
    node = start_server(IM_TRANSPORT="stock", IM_SHUTDOWN_TIMEOUT_SECONDS="5")
    alice = device(node, "alice").connect(transports=["websocket"])
    silent = websocket.create_connection(node.url.replace("http", "ws") + SOCKETS)

    node.stop()

    wait_for(lambda: not alice.sio.connected, what="the end of the socket")
    assert "node_stopped" in node.log
    assert "graceful timeout" not in node.log
    assert "Traceback" not in node.log
    silent.shutdown()


def test_the_worker_imports_nothing_that_gevent_patches_before_the_patches(node):
    assert "MonkeyPatchWarning" not in node.log


def test_the_default_transport_loads_nothing_of_gevent_websocket_though_it_is_installed(tmp_path):
    environ = {"PATH": "/usr/bin:/bin", "IM_DATA_DIR": str(tmp_path), "IM_ENV": "test"}
    command = [sys.executable, "-m", "imapp.doctor.dry_start"]

    found = json.loads(subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, check=True).stdout)

    assert find_spec("geventwebsocket")
    assert (found["worker"], found["transport"], found["has_gevent_websocket"]) == ("GeventWorker", "engine", False)
