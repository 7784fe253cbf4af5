"""Handlers that are slow or fail, and the end of a session: the disconnect handler runs once, however it ends."""

import json
import socket
import struct
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conformance.client import Talker
from tests.support.ports import wait_for

#: A client that answers pings would wait forever for a close that does not come.
pytestmark = pytest.mark.timeout(20)


@pytest.fixture
def arguments() -> tuple[str, ...]:
    """Run Socket.IO with short heartbeats."""
    return ("--connect-timeout", "1", "--ping-interval", "0.3", "--ping-timeout", "0.2")


@pytest.fixture
def watcher(address):
    """Provide `ask(sid)`, which asks the server how a session ended.

    Each call makes a new connection, since a client answers pings only while it reads.
    """

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
    talker.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    talker.close()


ENDS: dict[str, tuple[Callable[[Talker], None], str]] = {
    "leaves": (leave, "client disconnect"),
    "closes": (lambda talker: talker.send_frame(0x88, b"\x03\xe8"), "transport close"),
    "vanishes": (vanish, "transport close"),
    "leaves the namespace": (lambda talker: talker.send("41"), "client disconnect"),
    "sends nonsense": (lambda talker: talker.send("4zzz"), "transport error"),
    "breaks a frame": (lambda talker: talker.sock.sendall(b"\xff\xff"), "transport error"),
    "does not answer pings": (lambda _talker: None, "ping timeout"),
    "is disconnected by the server": (lambda talker: talker.send('42["send-away"]'), "server disconnect"),
}


@pytest.mark.parametrize("end", ENDS)
def test_the_disconnect_handler_runs_soon_with_the_reason(talk, watcher, end):
    act, reason = ENDS[end]
    talker = talk()
    sid = sid_of(talker.connect())

    act(talker)

    wait_for(lambda: watcher(sid) == (reason, False), 1.5, "the disconnect")


def test_a_failing_disconnect_handler_leaks_nothing_and_other_namespaces_are_notified(talk, watcher):
    talker = talk()
    main, custom = sid_of(talker.connect()), sid_of(talker.connect("40/custom,"))
    talker.send('42["be-stubborn"]')

    talker.send("1")

    wait_for(lambda: watcher(custom, "/custom,") == ("client disconnect", False), 1.5, "the second disconnect")
    assert watcher(main) == ("client disconnect", False)


def test_packets_before_the_end_are_handled_before_the_disconnect(talk, watcher):
    talker = talk()
    sid = sid_of(talker.connect())

    talker.send('42["sleep",0.4]')
    talker.send("1")

    time.sleep(0.2)
    assert watcher(sid) == (None, True)
    wait_for(lambda: watcher(sid) == ("client disconnect", False), 1.5, "the disconnect")


def test_a_failing_handler_does_not_disturb_the_client(talker):
    talker.send('421["fail"]')
    talker.send('422["message-with-ack","on"]')

    assert talker.receive() == '432["on"]'


def test_a_slow_handler_blocks_neither_its_clients_heartbeat_nor_other_clients(talk, talker):
    other = talk()
    other.connect()
    talker.send('421["sleep",1.2]')
    began = time.monotonic()

    other.send('421["message-with-ack"]')
    assert other.receive() == "431[]"
    assert time.monotonic() - began < 0.5

    assert talker.receive() == "431[1.2]"


def test_a_flood_behind_a_slow_handler_is_handled_in_order(talker):
    talker.send('420["sleep",1.0]')
    for number in range(1, 301):
        talker.send(f'42{number}["message-with-ack"]')

    assert [talker.receive() for _ in range(301)] == ["430[1.0]", *(f"43{number}[]" for number in range(1, 301))]


def test_an_event_sent_just_before_a_disconnect_arrives(talker):
    talker.send('42["send-away"]')

    assert talker.receive() == '42["farewell"]'
    assert talker.is_closed(silently=True)


def test_an_event_sent_just_before_a_disconnect_ends_a_poll(polling):
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


def test_a_client_silent_after_a_refused_connect_is_closed(talk):
    talker = talk()
    talker.send("40/random")
    talker.receive()
    began = time.monotonic()

    assert talker.is_closed(silently=True)

    assert 0.9 < time.monotonic() - began < 2.5


HURRIED = pytest.mark.parametrize(
    "arguments", [("--engineio", "--ping-interval", "0.3", "--ping-timeout", "2")], ids=["fast"]
)


@HURRIED
@pytest.mark.parametrize(("messages", "bytes_each"), [(60, 100_000), (1, 240_000)], ids=["in turn", "in the kernel"])
def test_a_client_that_slowly_reads_the_data_before_a_ping_is_not_timed_out(address, messages, bytes_each):
    talker = Talker(address)
    talker.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 20_000)
    text = b"4" + b"x" * bytes_each
    for _ in range(messages):
        talker.send_frame(0x81, text, mask=b"\0\0\0\0")

    talker.bytes_per_second = messages * bytes_each / 5  # 5 s, longer than the time for a pong
    for _ in range(messages):
        assert talker.read() == (0x81, text)
    assert talker.echo() == b"4still here"
    talker.close()


@HURRIED
def test_a_client_that_reads_nothing_of_the_data_before_a_ping_is_timed_out(address):
    talker = Talker(address)
    talker.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 20_000)
    talker.send_frame(0x81, b"4" + b"x" * 240_000, mask=b"\0\0\0\0")

    time.sleep(4)  # the ping follows after 0.3 s and times out 2 s later
    assert talker.is_ended(0.5)
