"""The Engine.IO protocol, version 4: handshake, messages, heartbeat, close."""

import threading
import time
from itertools import pairwise

import pytest
import requests

from tests.conformance.client import Talker
from tests.support.clients.raw import CLOSE, TEXT, RefusedError

SHORT = ("--engineio", "--ping-interval", "0.3", "--ping-timeout", "0.2")
short_heartbeat = pytest.mark.parametrize("arguments", [SHORT], ids=["300 ms"])


# -- handshake -------------------------------------------------------------------------------------------------------


@short_heartbeat
def test_the_handshake_has_all_parameters_of_a_session(polling):
    about = polling.open()

    assert set(about) == {"sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"}
    assert about["upgrades"] == ["websocket"]
    assert (about["pingInterval"], about["pingTimeout"], about["maxPayload"]) == (300, 200, 1_000_000)


@short_heartbeat
def test_a_websocket_session_has_nothing_to_upgrade_to(talk):
    about = talk().session

    assert about["upgrades"] == []
    assert (about["pingInterval"], about["pingTimeout"]) == (300, 200)


@pytest.mark.parametrize(
    ("method", "query", "code"),
    [
        ("GET", {"transport": "polling"}, 5),
        ("GET", {"EIO": "abc", "transport": "polling"}, 5),
        ("GET", {"EIO": "3", "transport": "polling"}, 5),
        ("GET", {"EIO": "4"}, 0),
        ("GET", {"EIO": "4", "transport": "abc"}, 0),
        ("GET", {"EIO": "4", "transport": "polling", "sid": "unknown"}, 1),
        ("POST", {"EIO": "4", "transport": "polling", "sid": "unknown"}, 1),
        ("POST", {"EIO": "4", "transport": "polling"}, 2),
        ("PUT", {"EIO": "4", "transport": "polling"}, 2),
        ("DELETE", {"EIO": "4", "transport": "polling"}, 2),
        ("GET", {"EIO": "4", "transport": "websocket"}, 3),
    ],
    ids=str,
)
def test_a_request_outside_the_protocol_is_answered_400(polling, method, query, code):
    answer = polling.request(method, **query)

    assert answer.status_code == 400
    assert answer.json()["code"] == code


@pytest.mark.parametrize("query", [{"EIO": ""}, {"EIO": "3"}, {"transport": ""}, {"transport": "abc"}], ids=str)
def test_a_websocket_without_the_mandatory_parameters_is_refused(address, query):
    with pytest.raises(RefusedError) as refused:
        Talker(address, **query)

    assert refused.value.status == 400


def test_pages_of_other_sites_may_read_answers_if_all_origins_are_allowed(polling):
    asked = requests.options(polling.url, headers={"Origin": "https://other.example"}, timeout=5)
    answer = requests.get(
        polling.url + "?EIO=4&transport=polling", headers={"Origin": "https://other.example"}, timeout=5
    )

    assert asked.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "https://other.example"


# -- messages --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "payload", ["4hello", "4test1\x1e4test2\x1e4test3", "4hello\x1ebAQIDBA==", "4grüße \U0001f600", "4"], ids=ascii
)
def test_a_payload_is_accepted_and_echoed(polling, payload):
    polling.open()

    sent = polling.post(payload.encode())
    answer = polling.get()

    assert (sent.status_code, sent.text) == (200, "ok")
    assert answer.headers["Content-Type"] == "text/plain; charset=UTF-8"
    assert answer.content.decode() == payload


def test_a_thousand_packets_in_one_payload_are_all_handled_in_order(polling):
    polling.open()
    payload = "\x1e".join(f"4{number}" for number in range(1000))

    assert polling.post(payload).text == "ok"

    assert polling.get().text == payload


@pytest.mark.parametrize(
    "body",
    [
        b"abc",
        b"",
        b"7",
        b"0",
        b"2",
        b"5",
        b"6",
        b"4ok\x1eabc",
        b"\xff\xfe",
        b"b!!!",
        "bäöü".encode(),
        b"bAQI",
        b"4a\x1e\x1e4b",
        b"44\x1e2",
    ],
)
def test_an_invalid_payload_is_answered_400_and_closes_the_session(polling, body):
    polling.open()

    assert polling.post(body).status_code == 400

    assert polling.get().status_code == 400


def test_a_payload_over_the_limit_is_refused_and_closes_the_session(polling):
    polling.open()

    assert polling.post("4" + "x" * 1_000_000).status_code == 413

    assert polling.get().status_code == 400


def test_a_poll_waits_for_a_packet(polling):
    polling.open()
    answers = []
    thread = threading.Thread(target=lambda: answers.append(polling.get()))
    thread.start()
    time.sleep(0.3)
    assert not answers

    polling.post("4late")
    thread.join(5)

    assert answers[0].text == "4late"


def test_a_second_poll_is_refused_and_closes_the_session(polling):
    polling.open()
    answers = []
    thread = threading.Thread(target=lambda: answers.append(polling.get()))
    thread.start()
    time.sleep(0.1)

    second = polling.get()
    thread.join(5)

    assert second.status_code == 400
    assert (answers[0].status_code, answers[0].text) == (200, "1")
    assert polling.get().status_code == 400


def test_a_poll_dropped_by_the_client_closes_the_session(polling):
    polling.open()
    with pytest.raises(requests.Timeout):
        requests.get(polling.url, params={"EIO": "4", "transport": "polling", "sid": polling.sid}, timeout=0.05)
    time.sleep(0.1)

    assert polling.get().status_code == 400


@pytest.mark.parametrize("packet", ["4hello", "4" + "x" * 200_000, b"\x01\x02\x03\x04"], ids=["text", "long", "bytes"])
def test_a_websocket_message_is_echoed(talk, packet):
    talker = talk()

    talker.send(packet)

    assert talker.receive() == packet


@pytest.mark.parametrize("packet", ["abc", "", "0", "2", "2probe", "3probe", "5", "6", "7", "9x", "1x", "b4AAA"])
def test_an_invalid_packet_closes_the_websocket(talk, packet):
    talker = talk()

    talker.send(packet)

    assert talker.is_closed(silently=True)


# -- heartbeat -------------------------------------------------------------------------------------------------------


@short_heartbeat
def test_a_polling_client_that_answers_pings_stays_connected(polling):
    polling.open()

    for _ in range(3):
        assert polling.get().text == "2"
        assert polling.post("3").text == "ok"


@short_heartbeat
def test_a_polling_client_that_does_not_answer_is_timed_out_to_the_millisecond(polling):
    polling.open()

    time.sleep(0.5)

    assert polling.get().status_code == 400


@short_heartbeat
def test_a_websocket_client_that_answers_pings_stays_connected(talk):
    talker = talk()
    moments = [time.monotonic()]

    for _ in range(3):
        assert talker.read_frame() == (TEXT, b"2")
        moments.append(time.monotonic())
        talker.send("3")

    assert all(0.25 < after - before < 0.45 for before, after in pairwise(moments))


@short_heartbeat
def test_a_websocket_client_that_does_not_answer_is_closed_after_interval_and_timeout(talk):
    talker = talk()
    began = time.monotonic()

    assert talker.read_frame() == (TEXT, b"2")
    talker.read_frame()

    assert 0.45 < time.monotonic() - began < 1.0


@short_heartbeat
def test_other_packets_do_not_count_as_pongs(talk):
    talker = talk()
    heads = []
    began = time.monotonic()

    while CLOSE not in heads and time.monotonic() - began < 2:
        talker.send("4chatter")
        heads.append(talker.read_frame()[0])

    assert 0.45 < time.monotonic() - began < 1.5


# -- close -----------------------------------------------------------------------------------------------------------


def test_a_close_by_polling_ends_the_poll_with_a_noop(polling):
    polling.open()
    answers = []
    thread = threading.Thread(target=lambda: answers.append(polling.get()))
    thread.start()

    assert polling.post("1").status_code == 200
    thread.join(5)

    assert (answers[0].status_code, answers[0].text) == (200, "6")
    assert polling.get().status_code == 400


def test_a_close_packet_closes_the_websocket(talk):
    talker = talk()

    talker.send("1")

    assert talker.is_closed(silently=True)
