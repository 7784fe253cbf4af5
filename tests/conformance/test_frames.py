"""RFC 6455, section by section, over a socket."""

import time
from contextlib import suppress

import pytest

from imapp.engine.parser import FRAMES_A_TURN, Parser
from tests.support.clients.raw import BINARY, CLOSE, PING, PONG, TEXT


def test_the_opening_handshake_is_answered_with_the_right_accept_key(talk):
    connection = talk()  # the client checks Sec-WebSocket-Accept

    assert connection.head.startswith(b"HTTP/1.1 101 ")
    assert b"extensions" not in connection.head.lower()


def test_offered_compression_is_declined(talk):
    connection = talk(headers={"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"})

    assert b"extensions" not in connection.head.lower()
    assert connection.echo() == b"4still here"


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ({"Sec-WebSocket-Version": "8"}, 426),
        ({"Sec-WebSocket-Key": "short"}, 400),
        ({"Sec-WebSocket-Key": ""}, 400),
        ({"Upgrade": "h2c"}, 400),
        ({"Connection": "keep-alive"}, 400),
    ],
)
def test_a_request_that_cannot_become_a_websocket_is_refused(polling, header, status):
    import requests

    right = {
        "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==",
    }  # fmt: skip
    answer = requests.get(polling.url + "?EIO=4&transport=websocket", headers={**right, **header}, timeout=5)

    assert answer.status_code == status
    if status == 426:
        assert answer.headers["Sec-WebSocket-Version"] == "13"


@pytest.mark.parametrize("size", [0, 1, 124, 125, 126, 127, 65_534, 65_535, 65_536, 300_000])
def test_messages_of_every_length_are_echoed(talk, size):
    connection = talk()
    text = b"4" + bytes(97 + index % 26 for index in range(size))

    assert connection.echo(text) == text


def test_bytes_are_echoed_as_bytes(talk):
    connection = talk()

    connection.send_frame(BINARY, b"\x00\xff\x01")

    assert connection.read() == (BINARY, b"\x00\xff\x01")


def test_a_message_in_fragments_is_one_message(talk):
    connection = talk()

    connection.send_frame(0x01, b"4in ")
    connection.send_frame(0x00, b"")
    connection.send_frame(0x00, "stü".encode()[:-1])
    connection.send_frame(0x80, "stü".encode()[-1:] + b"cken")

    assert connection.read() == (TEXT, "4in stücken".encode())


def test_a_ping_between_fragments_is_answered_at_once(talk):
    connection = talk()

    connection.send_frame(0x01, b"4one")
    connection.send_frame(PING, b"mark")
    assert connection.read() == (PONG, b"mark")
    connection.send_frame(0x80, b" two")

    assert connection.read() == (TEXT, b"4one two")


def test_an_unsolicited_pong_is_ignored(talk):
    connection = talk()

    connection.send_frame(PONG, b"unasked")

    assert connection.echo() == b"4still here"


def test_frames_are_read_however_the_network_cuts_them(talk):
    connection = talk()
    mask, text = b"\x01\x02\x03\x04", b"4cut into bytes"
    masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(text))

    for byte in bytes([TEXT, 0x80 | len(text)]) + mask + masked:
        connection.sock.sendall(bytes([byte]))
        time.sleep(0.002)

    assert connection.read() == (TEXT, text)


def test_many_frames_in_one_piece_are_many_messages_in_order(talk):
    connection = talk()
    mask = b"\x00\x00\x00\x00"

    connection.sock.sendall(b"".join(bytes([TEXT, 0x84]) + mask + b"4%03d" % number for number in range(500)))

    assert [connection.read()[1] for _ in range(500)] == [b"4%03d" % number for number in range(500)]


@pytest.mark.parametrize(
    ("head", "payload", "options", "code"),
    [
        (TEXT, b"4bare", {"mask": None}, 1002),
        (0xC1, b"4x", {}, 1002),
        (0xA1, b"4x", {}, 1002),
        (0x91, b"4x", {}, 1002),
        (0x83, b"4x", {}, 1002),
        (0x87, b"4x", {}, 1002),
        (0x8B, b"", {}, 1002),
        (0x8F, b"", {}, 1002),
        (0x09, b"", {}, 1002),
        (0x08, b"", {}, 1002),
        (PING, b"x" * 126, {}, 1002),
        (0x80, b"4x", {}, 1002),
        (0x00, b"4x", {}, 1002),
        (TEXT, b"4x", {"length": b"\x7e\x00\x02"}, 1002),
        (TEXT, b"4x", {"length": b"\x7f\x00\x00\x00\x00\x00\x00\x00\x02"}, 1002),
        (TEXT, b"4x", {"length": b"\x7f\x80\x00\x00\x00\x00\x00\x00\x02"}, 1002),
        (TEXT, b"4\xff\xfe", {}, 1007),
        (TEXT, b"4\xed\xa0\x80", {}, 1007),
        (TEXT, b"", {"length": b"\x7f\x00\x00\x00\x00\x10\x00\x00\x00"}, 1009),
        (CLOSE, b"x", {}, 1002),
        (CLOSE, (1005).to_bytes(2, "big"), {}, 1002),
        (CLOSE, (999).to_bytes(2, "big"), {}, 1002),
        (CLOSE, (5000).to_bytes(2, "big"), {}, 1002),
        (CLOSE, (1000).to_bytes(2, "big") + b"\xff", {}, 1007),
    ],
    ids=[
        "not masked", "RSV1", "RSV2", "RSV3", "opcode 3", "opcode 7", "opcode 11", "opcode 15", "ping in fragments",
        "close in fragments", "ping too long", "continuation of nothing", "fragment of nothing", "16 bits for 2",
        "64 bits for 2", "length with its highest bit", "not UTF-8", "a surrogate", "256 MB announced",
        "close with one byte", "close code 1005", "close code 999", "close code 5000", "close reason not UTF-8",
    ],
)  # fmt: skip
def test_a_violation_of_the_protocol_closes_with_its_code(talk, head, payload, options, code):
    connection = talk()

    connection.send_frame(head, payload, **options)

    assert connection.close_code() == code


def test_a_new_message_between_fragments_closes(talk):
    connection = talk()

    connection.send_frame(0x01, b"4one")
    connection.send_frame(TEXT, b"4two")

    assert connection.close_code() == 1002


def test_text_is_checked_across_fragments(talk):
    connection = talk()

    connection.send_frame(0x01, b"4\xc3")
    connection.send_frame(0x80, b"(")

    assert connection.close_code() == 1007


def test_fragments_too_large_together_are_refused_before_the_last_arrives(talk):
    connection = talk()

    connection.send_frame(0x01, b"4" * 600_000)
    connection.send_frame(0x00, b"", length=b"\x7f" + (600_000).to_bytes(8, "big"))

    assert connection.close_code() == 1009


def test_the_number_of_empty_fragments_is_limited(talk):
    connection = talk()

    connection.send_frame(0x01, b"")
    connection.sock.sendall((bytes([0x00, 0x80]) + b"abcd") * 5000)

    assert connection.close_code() == 1008


@pytest.mark.parametrize("code", [1000, 1001, 3000, 4999])
def test_a_close_is_answered_with_its_code_and_the_server_ends_the_connection(talk, code):
    connection = talk()

    connection.send_frame(CLOSE, code.to_bytes(2, "big") + b"bye")

    assert connection.read() == (CLOSE, code.to_bytes(2, "big"))
    assert connection.sock.recv(1) == b""


def test_messages_before_a_close_are_handled_and_those_after_it_are_not(talk):
    connection = talk()
    mask = b"\x00\x00\x00\x00"
    message = bytes([TEXT, 0x82]) + mask + b"4a"

    connection.sock.sendall(message + bytes([CLOSE, 0x80]) + mask + message)

    seen = [connection.read()[0]]
    while seen[-1] != CLOSE:
        seen.append(connection.read()[0])
    assert connection.sock.recv(1) == b""
    assert seen.count(TEXT) <= 1


# -- floods of small frames --------------------------------------------------------------------------------------


def test_many_small_frames_are_parsed_a_bounded_number_at_a_time():
    parser, counts = Parser(1000), []

    parser.feed(b"\x81\x81abcd\x55" * 1000, out := [])
    counts.append(len(out))
    while parser.has_more:
        parser.feed(b"", out := [])
        counts.append(len(out))

    assert (max(counts), sum(counts)) == (FRAMES_A_TURN, 1000)


@pytest.mark.parametrize(("head", "payload"), [(0x89, b""), (0x8A, b"unasked"), (TEXT, b"3")])
def test_floods_of_pings_and_pongs_are_closed_and_disturb_no_other_client(talk, head, payload):
    bystander, flooders = talk(), [talk() for _ in range(4)]
    with suppress(ConnectionError):
        for one in flooders:
            one.sock.sendall((bytes([head, 0x80 | len(payload)]) + bytes(4) + payload) * 5000)

    began = time.monotonic()
    assert bystander.echo() == b"4still here"
    waited = time.monotonic() - began

    assert waited < 1
    for one in flooders:
        while (told := one.read())[0] == 0x8A:
            pass
        assert told == (0x88, told[1])
        assert told[1][:2] == b"\x03\xf0"  # 1008


def test_all_of_many_small_messages_are_answered_in_order(talk):
    connection = talk()

    connection.sock.sendall(b"".join(b"\x81\x85" + bytes(4) + b"4%04d" % number for number in range(3000)))

    assert [connection.read()[1] for _ in range(3000)] == [b"4%04d" % number for number in range(3000)]
