"""From long-polling to WebSocket: the probe, the upgrade, and failures between them."""

import select
import socket
import threading
import time

import pytest


@pytest.fixture
def session(polling):
    """Open a polling session."""
    polling.open()
    return polling


def upgrade(talk, session):
    talker = talk(sid=session.sid)
    talker.send("2probe")
    assert talker.receive() == "3probe"
    talker.send("5")
    return talker


def test_a_session_is_upgraded_to_the_websocket(talk, session):
    talker = talk(sid=session.sid)

    talker.send("2probe")
    assert talker.receive() == "3probe"
    assert session.get().text == "6"
    talker.send("5")
    talker.send("4hello")

    assert talker.receive() == "4hello"


def test_a_waiting_poll_ends_with_a_noop_and_the_websocket_gets_none(talk, session):
    answers = []
    thread = threading.Thread(target=lambda: answers.append(session.get()))
    thread.start()
    time.sleep(0.1)

    talker = upgrade(talk, session)
    thread.join(5)
    talker.send("4first")

    assert answers[0].text == "6"
    assert talker.receive() == "4first"


def test_probe_and_upgrade_may_be_sent_together(talk, session):
    talker = talk(sid=session.sid)
    for packet in ("2probe", "5", "4one", "4two"):
        talker.send(packet)

    assert [talker.receive() for _ in range(3)] == ["3probe", "4one", "4two"]


def test_a_probe_is_answered_before_a_simultaneous_request(talk, polling, address):
    host, _, path = address.partition("/")
    name, _, port = host.partition(":")
    for _ in range(30):
        polling.open()
        talker = talk(sid=polling.sid)
        with socket.create_connection((name, int(port)), timeout=5) as request:
            head = f"GET /{path}?EIO=4&transport=polling&sid={polling.sid} HTTP/1.1\r\nHost: {host}\r\n\r\n"
            time.sleep(0.01)  # until the server waits for both
            talker.send("2probe")
            talker.send("5")
            request.sendall(head.encode())

            assert request.recv(4096).startswith(b"HTTP/1.1 400")
            assert select.select([talker.sock], [], [], 0)[0], "the request was answered first"
            assert talker.receive() == "3probe"


def test_packets_waiting_for_a_poll_arrive_over_the_websocket_in_order(talk, session):
    session.post("4one\x1e4two\x1ebAQID")

    talker = upgrade(talk, session)
    talker.send("4three")

    assert [talker.receive() for _ in range(4)] == ["4one", "4two", b"\x01\x02\x03", "4three"]


def test_requests_after_the_upgrade_are_refused_without_effect_on_the_session(talk, session):
    talker = upgrade(talk, session)
    talker.send("4there")
    assert talker.receive() == "4there"

    assert session.get().status_code == 400
    assert session.post("4x").status_code == 400

    talker.send("4still")
    assert talker.receive() == "4still"


@pytest.mark.parametrize("is_upgraded", [True, False], ids=["after the upgrade", "during the probe"])
def test_a_second_websocket_of_a_session_is_closed_without_effect_on_the_session(talk, session, is_upgraded):
    first = upgrade(talk, session) if is_upgraded else talk(sid=session.sid)

    second = talk(sid=session.sid)
    assert second.is_closed(silently=True)

    if not is_upgraded:
        first.send("2probe")
        assert first.receive() == "3probe"
        first.send("5")
    first.send("4still")
    assert first.receive() == "4still"


@pytest.mark.parametrize("packet", ["4hello", "5", "2", "2other", "3probe", b"\x00"], ids=str)
def test_a_websocket_without_a_probe_is_closed_and_polling_goes_on(talk, session, packet):
    talker = talk(sid=session.sid)

    talker.send(packet)

    assert talker.is_closed(silently=True)
    session.post("4on")
    assert session.get().text == "4on"


def test_an_abandoned_probe_loses_nothing(talk, session):
    talker = talk(sid=session.sid)
    talker.send("2probe")
    assert talker.receive() == "3probe"
    session.post("4kept")
    assert session.get().text == "6"

    talker.close()
    time.sleep(0.1)

    assert session.get().text == "4kept"


def test_a_session_can_upgrade_after_a_failed_try(talk, session):
    talk(sid=session.sid).close()
    time.sleep(0.1)

    talker = upgrade(talk, session)
    talker.send("4second try")

    assert talker.receive() == "4second try"
