"""Invalid and hostile packets get an error code if the protocol has a place for one; otherwise the socket closes."""

import json
import time
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from tests.support import apps
from tests.support.clients.polling import Polling
from tests.support.clients.raw import TEXT, RefusedError
from tests.support.ports import wait_for
from tests.support.server import Server, engine_only


@pytest.fixture
def talker(server, device, raw):
    """Open an authenticated raw socket."""
    socket = raw(server)
    assert socket.connect({"token": device(server).tokens["access_token"]}).startswith("40")
    return socket


def still_works(socket) -> bool:
    socket.send('4299["ping_server",{}]')
    return socket.ack(99)["ok"]


def test_an_unknown_command_is_an_error_and_the_connection_stays(talker):
    talker.send('421["no_such_command",{}]')

    assert talker.ack(1)["error"]["code"] == "unknown_command"
    assert still_works(talker)


@pytest.mark.parametrize(
    "payload", ['"text"', "[]", "1", "{}", '{"client_id":5}', '{"client_id":"a","type":"text","content":"x"}']
)
def test_an_invalid_payload_is_an_error_that_names_its_fields(talker, payload):
    talker.send(f'421["send_message",{payload}]')

    ack = talker.ack(1)

    assert ack["ok"] is False
    assert ack["error"]["code"] == "invalid_input"
    assert ack["error"]["errors"]
    assert still_works(talker)


def test_two_arguments_are_an_error(talker):
    talker.send('421["ping_server",{},{}]')

    assert talker.ack(1)["error"]["code"] == "malformed"


def test_binary_instead_of_text_is_an_error_and_the_connection_stays(talker):
    talker.send('451-7["send_message",{"_placeholder":true,"num":0}]')
    talker.send(b"\x00\x01")

    assert talker.ack(7)["error"]["code"] == "binary_not_allowed"
    assert still_works(talker)


@pytest.mark.parametrize(
    "packet",
    [
        "4zzz",
        "42{}",
        '459999999999-["m",{}]',
        '459-["m",{"_placeholder":true,"num":0}]',
        "44{}",
        "7",
        "abc",
        "",
    ],
    ids=lambda packet: packet[:24] or "empty",
)
def test_a_packet_that_violates_the_protocol_closes_the_connection_at_once(server, talker, packet):
    before = len(server.log)

    talker.send(packet)

    assert talker.is_closed()
    assert "Traceback" not in server.log[before:]


@pytest.mark.parametrize(
    "rest",
    ["[]", '[{"a":1}]', '["ping_server",{"x":NaN}]', '["ping_server","half \\ud83d"]', "[" * 30_000, '["connect"]'],
    ids=lambda rest: rest[:24],
)
def test_invalid_json_is_refused_and_the_connection_stays(talker, rest):
    talker.send("421" + rest)

    assert talker.ack(1)["error"]["code"] == "malformed"
    talker.send("42" + rest)  # without an ack id
    assert still_works(talker)


@engine_only
def test_a_packet_over_the_limit_is_refused_and_the_connection_stays(server, talker):
    before = len(server.log)

    talker.send('427["send_message",{"x":"' + "x" * 300_000 + '"}]')
    talker.send('42["send_message",{"x":"' + "x" * 300_000 + '"}]')

    assert talker.ack(7)["error"]["code"] == "message_too_large"
    assert still_works(talker)
    assert server.log[before:].count("packet_refused") == 2


@engine_only
def test_a_packet_over_the_limit_is_refused_over_polling_too(server, device):
    polling = Polling(server.url)
    polling.open()
    polling.post("40" + json.dumps({"token": device(server).tokens["access_token"]}))
    polling.get()
    large = '427["send_message",{"x":"' + "x" * 300_000 + '"}]'

    sent = polling.post(large + "\x1e" + '428["ping_server",{}]')

    assert sent.text == "ok"
    first, second = polling.get().text.split("\x1e")
    assert '"code":"message_too_large"' in first
    assert second.startswith('438[{"ok":true')
    assert polling.post("4" + "x" * 2_000_000).status_code == 413


@engine_only
def test_an_oversize_packet_before_the_log_in_closes_the_socket(server, raw):
    stranger = raw(server)

    stranger.send("40" + json.dumps({"token": "x" * 17_000}))

    assert stranger.is_closed()


def test_repeated_unreadable_packets_close_the_connection(talker):
    for number in range(21):
        talker.send(f"42{number}[nonsense]")

    assert all(talker.ack(number)["error"]["code"] == "malformed" for number in range(20))
    assert talker.is_closed()


def test_binary_without_an_event_closes_the_connection(talker):
    talker.send(b"\x00" * 100)

    assert talker.is_closed()


def test_text_that_is_not_utf8_closes_the_connection(talker):
    talker.send_frame(TEXT, b"42[\xff\xfe]")

    assert talker.is_closed()


def test_an_oversize_message_closes_the_connection_without_being_buffered(server, talker):
    def memory_kb() -> int:
        status = Path(f"/proc/{server.worker}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))

    before = memory_kb()

    with suppress(ConnectionError):
        talker.send('42["send_message",{"x":"' + "x" * 50_000_000 + '"}]')

    assert talker.is_closed()

    assert memory_kb() - before < 20_000


def test_numbers_beyond_64_bits_are_an_error(talker):
    talker.send('421["mark_read",{"conversation_id":99999999999999999999,"seq":1}]')

    assert talker.ack(1)["error"]["code"] == "invalid_input"


def test_nul_is_refused_in_text(server, device):
    alice, bob = device(server).connect(), device(server)

    for content in ({"text": "a\x00b"}, {"any": {"deep": ["a\x00b"]}}):
        kind = "text" if "text" in content else "custom"
        ack = alice.call("send_message", {"to_user_id": bob.id, "client_id": kind, "type": kind, "content": content})
        assert ack["ok"] is False
        assert ack["error"]["code"] in {"invalid_input", "malformed"}


def test_deeply_nested_custom_content_is_refused(server, device):
    alice, bob = device(server).connect(), device(server)
    content: dict = {}
    for _ in range(60):
        content = {"x": content}

    ack = alice.call("send_message", {"to_user_id": bob.id, "client_id": "1", "type": "custom", "content": content})

    assert ack["error"]["code"] == "malformed"


def test_deflate_is_not_negotiated(server, raw):
    socket = raw(server, headers={"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"})

    assert b"sec-websocket-extensions" not in socket.head.lower()


@pytest.fixture(scope="module")
def strict(tmp_path_factory, sqlite_template):
    """Run a node with few allowed connections and short timeouts."""
    folder = tmp_path_factory.mktemp("strict")
    apps.copy_of(sqlite_template, folder / "data")
    timeouts = {"CONNECT_TIMEOUT": "2", "PING_INTERVAL": "2", "PING_TIMEOUT": "4"}
    environ = {f"IM_{name}_SECONDS": value for name, value in timeouts.items()}
    environ |= {"IM_RATE_LIMITS": "on", "IM_MAX_CONNECTIONS_PER_USER": "2", "IM_MAX_CONNECTING_PER_ADDRESS": "3"}
    node = Server(folder, **environ)
    yield node
    node.stop()


def test_a_socket_that_never_says_connect_is_closed(strict, raw):
    socket = raw(strict)
    started = time.monotonic()

    assert socket.is_closed()
    assert time.monotonic() - started < 5


def test_refused_log_ins_do_not_keep_a_socket_open(strict, raw):
    hasty, slow = raw(strict), raw(strict)
    for number in range(3):
        assert "invalid_token" in hasty.connect({"token": f"wrong {number}"})
    assert hasty.is_closed()

    started = time.monotonic()
    slow.connect({"token": "wrong"})
    time.sleep(1)
    slow.connect({"token": "wrong again"})

    assert slow.is_closed()
    assert time.monotonic() - started < 5


@engine_only
def test_sockets_of_one_address_before_log_in_are_limited(strict, raw):
    strangers = [raw(strict) for _ in range(3)]

    with pytest.raises(RefusedError) as refused:
        raw(strict)

    assert refused.value.status == 503
    assert all(one.is_closed() for one in strangers)
    assert raw(strict).session["sid"]


@engine_only
def test_sockets_of_a_user_are_limited_and_a_dead_one_is_replaced(strict, device, raw):
    token = {"token": device(strict).tokens["access_token"]}
    for _ in range(2):  # they answer no ping, like a phone without a network
        assert raw(strict).connect(token).startswith("40")
    before = len(strict.log)

    refusal = raw(strict).connect(token)
    assert '"code":"too_many_connections"' in refusal
    assert '"retry_after":' in refusal

    def is_let_in() -> bool:
        one = raw(strict)
        if one.connect(token).startswith("40"):
            return True
        one.close()
        return False

    wait_for(is_let_in, what="a free place of a dead connection")
    assert "dead_connection_replaced" in strict.log[before:]


def test_a_repeated_connect_is_answered_for_the_same_login_and_closes_the_socket_for_another(server, device, raw):
    token = {"token": device(server).tokens["access_token"]}
    socket = raw(server)
    first = socket.connect(token)

    assert socket.connect(token) == first
    assert still_works(socket)
    socket.send("40" + json.dumps({"token": device(server).tokens["access_token"]}))
    assert socket.is_closed()


def test_a_suspended_client_leaves_no_open_file_descriptor(start_server, device, raw):
    node = start_server(IM_PING_INTERVAL_SECONDS="3", IM_PING_TIMEOUT_SECONDS="3")
    alice = device(node, "alice")
    wait_for(lambda: not sockets_of(node), what="the end of the connection of her registration")
    suspended = [raw(node) for _ in range(10)]
    for one in suspended:
        one.connect({"token": alice.tokens["access_token"]})
    assert sockets_of(node) >= 10

    # Their kernels acknowledge every byte; the clients themselves answer nothing, not even the closing handshake.
    wait_for(lambda: not sockets_of(node), what="the end of their sockets")


def sockets_of(node) -> int:
    """Return the number of connections that the node has accepted and not closed."""
    sockets = (str(file.readlink()) for file in Path(f"/proc/{node.worker}/fd").iterdir() if file.is_symlink())
    inodes = {link[len("socket:[") : -1] for link in sockets if link.startswith("socket:")}
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[9] in inodes and row[1].endswith(f":{node.port:04X}") and row[3] != "0A" for row in rows)


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://sub.127.0.0.1"])
def test_a_page_of_another_site_gets_no_socket(server, raw, origin):
    with pytest.raises(RefusedError) as refused:
        raw(server, headers={"Origin": origin})

    assert refused.value.status in {400, 403}


def test_our_own_page_gets_a_socket(server, raw):
    assert raw(server, headers={"Origin": server.url}).session["sid"]


@engine_only
def test_a_configured_origin_gets_a_socket_and_a_refused_one_is_logged_once(start_server, raw):
    node = start_server(IM_ALLOWED_ORIGINS="https://Chat.example:443,capacitor://localhost,null")

    for origin in (node.url, "https://chat.example", "capacitor://localhost", "null"):
        assert raw(node, headers={"Origin": origin}).session["sid"]
    for _ in range(2):
        with pytest.raises(RefusedError):
            raw(node, headers={"Origin": "https://evil.example"})

    assert node.log.count("origin_refused") == 1
    assert "origin=https://evil.example" in node.log
    metrics = requests.get(f"{node.url}/actuator/prometheus", timeout=10).text
    assert 'imapp_connects_refused_total{reason="origin"} 2.0' in metrics


def test_messages_are_limited_per_user_and_not_per_socket(start_server, device, raw):
    node: Server = start_server(IM_RATE_LIMITS="on", IM_RATE_MESSAGES_PER_USER="20/minute")
    alice, bob = device(node), device(node)
    sockets = [raw(node) for _ in range(3)]
    for socket in sockets:
        assert socket.connect({"token": alice.tokens["access_token"]}).startswith("40")

    for number in range(30):
        body = {"to_user_id": bob.id, "client_id": f"{number}", "type": "text", "content": {"text": "x"}}
        sockets[number % 3].send(f"42{number}" + json.dumps(["send_message", body]))
    acks = [sockets[number % 3].ack(number) for number in range(30)]

    refused = [ack["error"] for ack in acks if not ack["ok"]]
    assert len(refused) == 10
    assert all(error["code"] == "rate_limited" and error["retry_after"] > 0 for error in refused)
