"""Handlers that take long or fail, and the end of a session: the disconnect handler runs once, whatever the end."""

import json
import socket
import struct
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conformance.client import Frames, Talker
from tests.support.ports import wait_for

#: A client that answers pings waits for ever for a close that does not come.
pytestmark = pytest.mark.timeout(20)


@pytest.fixture
def arguments() -> tuple[str, ...]:
    """Socket.IO with a heart that beats fast."""
    return ("--connect-timeout", "1", "--ping-interval", "0.3", "--ping-timeout", "0.2")


@pytest.fixture
def talker(talk) -> Talker:
    """Connected to the main namespace."""
    one = talk()
    one.connect()
    return one


@pytest.fixture
def watcher(address):
    """Asks how the sessions of others ended; a new connection each time, as it answers pings only when it listens."""

    def ask(sid: str, namespace: str = "") -> tuple[str | None, bool]:
        one = Talker(address)
        one.connect(f"40{namespace}")
        one.send(f'42{namespace}1["how-ended","{sid}"]')
        answer = one.receive()
        one.close()
        reason, is_known = json.loads(answer[answer.index("[") :])
        return reason, is_known

    return ask


def sid_of(answer: str) -> str:
    return json.loads(answer[answer.index("{") :])["sid"]


def leave(talker: Talker) -> None:
    talker.send("1")


def vanish(talker: Talker) -> None:
    """Reset the connection."""
    talker.ws.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    talker.close()


ENDS: dict[str, tuple[Callable[[Talker], None], str]] = {
    "leaves": (leave, "client disconnect"),
    "closes": (lambda talker: talker.ws.send_close(), "transport close"),
    "vanishes": (vanish, "transport close"),
    "leaves the namespace": (lambda talker: talker.send("41"), "client disconnect"),
    "sends nonsense": (lambda talker: talker.send("4zzz"), "transport error"),
    "breaks a frame": (lambda talker: talker.ws.sock.sendall(b"\xff\xff"), "transport error"),
    "is silent": (lambda _talker: None, "ping timeout"),
    "is sent away": (lambda talker: talker.send('42["send-away"]'), "server disconnect"),
}


@pytest.mark.parametrize("end", ENDS)
def test_the_disconnect_handler_runs_soon_and_knows_why(talk, watcher, end):
    act, reason = ENDS[end]
    talker = talk()
    sid = sid_of(talker.connect())

    act(talker)

    wait_for(lambda: watcher(sid) == (reason, False), 1.5, "the disconnect")


def test_a_disconnect_handler_that_fails_leaves_nothing_and_the_other_namespaces_hear_it(talk, watcher):
    talker = talk()
    main, custom = sid_of(talker.connect()), sid_of(talker.connect("40/custom,"))
    talker.send('42["be-stubborn"]')

    talker.send("1")

    wait_for(lambda: watcher(custom, "/custom,") == ("client disconnect", False), 1.5, "the other namespace")
    assert watcher(main) == ("client disconnect", False)


def test_what_came_before_the_end_is_handled_before_the_disconnect(talk, watcher):
    talker = talk()
    sid = sid_of(talker.connect())

    talker.send('42["sleep",0.4]')
    talker.send("1")

    time.sleep(0.2)
    assert watcher(sid) == (None, True)
    wait_for(lambda: watcher(sid) == ("client disconnect", False), 1.5, "the disconnect")


def test_a_handler_that_fails_costs_the_client_nothing(talker):
    talker.send('421["fail"]')
    talker.send('422["message-with-ack","on"]')

    assert talker.receive() == '432["on"]'


def test_a_handler_that_takes_long_keeps_neither_its_clients_heart_nor_the_others_waiting(talk, talker):
    other = talk()
    other.connect()
    talker.send('421["sleep",1.2]')
    began = time.monotonic()

    other.send('421["message-with-ack"]')
    assert other.receive() == "431[]"
    assert time.monotonic() - began < 0.5

    assert talker.receive() == "431[1.2]"


def test_a_flood_behind_a_handler_that_takes_long_is_handled_in_order(talker):
    talker.send('420["sleep",1.0]')
    for number in range(1, 301):
        talker.send(f'42{number}["message-with-ack"]')

    assert [talker.receive() for _ in range(301)] == ["430[1.0]", *(f"43{number}[]" for number in range(1, 301))]


def test_what_is_said_at_the_end_comes_before_it(talker):
    talker.send('42["send-away"]')

    assert talker.receive() == '42["farewell"]'
    assert talker.is_closed()


def test_what_is_said_at_the_end_ends_a_poll(polling):
    polling.open()
    polling.post("40")
    assert polling.get().text.startswith("40{")
    assert "auth" in polling.get().text
    with ThreadPoolExecutor() as pool:
        poll = pool.submit(polling.get)
        time.sleep(0.1)
        polling.post('42["send-away"]')

        assert poll.result(5).text == '42["farewell"]\x1e1'
    assert polling.get().status_code == 400


def test_who_is_refused_and_says_no_more_is_closed(talk):
    talker = talk()
    talker.send("40/random")
    talker.receive()
    began = time.monotonic()

    assert talker.is_closed()

    assert 0.9 < time.monotonic() - began < 2.5


HURRIED = pytest.mark.parametrize(
    "arguments", [("--engineio", "--ping-interval", "0.3", "--ping-timeout", "2")], ids=["fast"]
)


@HURRIED
@pytest.mark.parametrize(("messages", "bytes_each"), [(60, 100_000), (1, 240_000)], ids=["in turn", "in the kernel"])
def test_a_client_that_takes_bit_by_bit_what_lies_before_the_ping_is_not_given_up(address, messages, bytes_each):
    frames = Frames(address)
    frames.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 20_000)
    text = b"4" + b"x" * bytes_each
    for _ in range(messages):
        frames.send(0x81, text, mask=b"\0\0\0\0")

    frames.takes_in_a_second = messages * bytes_each / 5  # longer than any client has for a pong
    for _ in range(messages):
        assert frames.read() == (0x81, text)
    assert frames.echo() == b"4still here"
    frames.close()


@HURRIED
def test_a_client_that_takes_nothing_of_what_lies_before_the_ping_is_given_up(address):
    frames = Frames(address)
    frames.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 20_000)
    frames.send(0x81, b"4" + b"x" * 240_000, mask=b"\0\0\0\0")

    time.sleep(4)  # the ping comes after 0.3, its time is up two seconds later
    assert frames.is_ended(0.5)
