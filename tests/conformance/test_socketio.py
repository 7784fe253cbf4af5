"""The Socket.IO protocol, version 5: namespaces, events, acks, attachments, and packets that close the connection."""

import json
import time

import pytest


@pytest.fixture
def arguments() -> tuple[str, ...]:
    """Run Socket.IO with a short timeout for CONNECT."""
    return ("--connect-timeout", "1")


# -- CONNECT ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("packet", "head", "auth"),
    [
        ("40", "40", "{}"),
        ('40{"token":"123"}', "40", '{"token":"123"}'),
        ("40/custom,", "40/custom,", "{}"),
        ("40/custom", "40/custom,", "{}"),
        ('40/custom,{"token":"abc"}', "40/custom,", '{"token":"abc"}'),
        ("40/custom?page=1,", "40/custom,", "{}"),
    ],
)
def test_the_answer_to_connect_precedes_the_handlers_events(talk, packet, head, auth):
    talker = talk()

    talker.send(packet)
    answer, event = talker.receive(), talker.receive()

    assert answer.startswith(head)
    assert set(json.loads(answer[len(head) :])) == {"sid"}
    assert event == head.replace("40", "42", 1) + f'["auth",{auth}]'


@pytest.mark.parametrize("packet", ["40/random", "40/random,", '40/random,{"token":"123"}'])
def test_an_unknown_namespace_is_refused_and_the_connection_goes_on(talk, packet):
    talker = talk()

    talker.send(packet)

    assert talker.receive() == '44/random,{"message":"Invalid namespace"}'
    assert talker.connect().startswith("40{")


def test_each_namespace_has_a_session_id_of_its_own(talk):
    talker = talk()

    main, custom = talker.connect("40"), talker.connect("40/custom,")

    assert json.loads(main[2:])["sid"] != json.loads(custom[10:])["sid"]
    assert talker.session["sid"] not in main + custom


def test_a_second_connect_to_a_namespace_closes_as_with_the_official_server(talker):
    talker.send("40")

    assert talker.is_closed(silently=True)


@pytest.mark.parametrize("packet", ['42["message",1]', '421["message-with-ack"]', "41", '431["x"]', '451-["message"]'])
def test_a_packet_before_connect_closes_the_connection(talk, packet):
    talker = talk()

    talker.send(packet)

    assert talker.is_closed(silently=True)


def test_a_client_that_never_sends_connect_is_closed_in_time(talk):
    talker = talk()
    began = time.monotonic()

    assert talker.is_closed(silently=True)

    assert 0.9 < time.monotonic() - began < 2


@pytest.mark.parametrize("refused", ["40/random", '40/custom,{"is_refused":true}'], ids=["unknown", "by its handler"])
@pytest.mark.parametrize("is_first", [True, False], ids=["refused first", "refused afterwards"])
def test_a_refusal_by_one_namespace_leaves_the_others_usable(talk, refused, is_first):
    talker = talk()
    if not is_first:
        talker.connect()

    talker.send(refused)
    assert talker.receive().startswith("44")
    if is_first:
        talker.connect()

    time.sleep(1.3)  # longer than a client without a namespace may stay
    talker.send('42["message",1]')
    assert talker.receive() == '42["message-back",1]'


def test_an_event_sent_while_another_namespace_refuses_arrives(talk):
    talker = talk()

    talker.send("40")
    talker.send('40/custom,{"is_refused":true}')

    assert talker.receive().startswith("40{")
    assert {talker.receive()[:11], talker.receive()[:11]} == {"44/custom,{", '42["auth",{'}


# -- DISCONNECT ------------------------------------------------------------------------------------------------------


def test_leaving_the_main_namespace_leaves_the_connection_open(talker):
    talker.send("41")
    talker.send('42["message",1]')
    talker.send("40")

    assert talker.receive().startswith("40{")


def test_leaving_a_namespace_does_not_affect_others(talker):
    talker.connect("40/custom,")

    talker.send("41/custom,")
    talker.send('42/custom,["message",1]')
    talker.send('42["message","to main"]')

    assert talker.receive() == '42["message-back","to main"]'


# -- events and acks -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments_sent",
    ['1,"2",{"3":[true]}', "null", '"grüße \U0001f600"', '{"_placeholder":false,"num":0}', "1.5,-0.25", '""'],
    ids=ascii,
)
def test_an_event_is_echoed_with_its_arguments(talker, arguments_sent):
    talker.send(f'42["message",{arguments_sent}]')

    assert talker.receive() == f'42["message-back",{arguments_sent}]'


@pytest.mark.parametrize("packet_id", ["0", "1", "456", "999999999999999"])
def test_an_event_with_an_id_is_acknowledged(talker, packet_id):
    talker.send(f'42{packet_id}["message-with-ack",1,"2",{{"3":[false]}}]')

    assert talker.receive() == f'43{packet_id}[1,"2",{{"3":[false]}}]'


def test_an_ack_without_arguments_is_an_empty_array(talker):
    talker.send('427["message-with-ack"]')

    assert talker.receive() == "437[]"


def test_an_ack_is_sent_in_the_events_namespace(talker):
    talker.connect("40/custom,")

    talker.send('42/custom,12["message-with-ack","x"]')

    assert talker.receive() == '43/custom,12["x"]'


def test_events_are_handled_in_the_order_in_which_they_were_sent(talker):
    for number in range(200):
        talker.send(f'42{number}["message-with-ack",{number}]')

    assert [talker.receive() for _ in range(200)] == [f"43{number}[{number}]" for number in range(200)]


# -- attachments -----------------------------------------------------------------------------------------------------

TWO = '{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}'


def test_an_event_is_echoed_with_its_attachments(talker):
    for packet in (f'452-["message",{TWO}]', b"\x01\x02\x03", b"\x04\x05\x06"):
        talker.send(packet)

    assert [talker.receive() for _ in range(3)] == [f'452-["message-back",{TWO}]', b"\x01\x02\x03", b"\x04\x05\x06"]


def test_an_ack_carries_attachments(talker):
    for packet in (f'452-789["message-with-ack",{TWO}]', b"\x01\x02\x03", b"\x04\x05\x06"):
        talker.send(packet)

    assert [talker.receive() for _ in range(3)] == [f"462-789[{TWO}]", b"\x01\x02\x03", b"\x04\x05\x06"]


def test_attachments_may_be_anywhere_in_the_arguments(talker):
    deep = '{"a":[{"b":{"_placeholder":true,"num":0}}]}'
    for packet in (f'451-["message",{deep}]', b"\x00"):
        talker.send(packet)

    assert [talker.receive(), talker.receive()] == [f'451-["message-back",{deep}]', b"\x00"]


def test_attachments_work_in_other_namespaces_and_over_polling(talk, polling):
    polling.open()
    polling.post("40/custom,")
    assert polling.get().text.startswith("40/custom,{")
    assert polling.get().text == '42/custom,["auth",{}]'

    polling.post('451-/custom,3["message-with-ack",{"_placeholder":true,"num":0}]\x1ebAQID')

    assert polling.get().text == '461-/custom,3[{"_placeholder":true,"num":0}]\x1ebAQID'


# -- packets that close the connection -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "packet",
    [
        "4abc", "4", "47", "42", "42{}", "42[]", "42null", '42"message"', "42[1]", "42[[]]", '42[{"a":1}]',
        '42abc["message-with-ack",1]', '421234567890123456["message-with-ack"]', '42-1["message"]', '42["message"',
        '42["message",NaN]', '42["message","\\ud800"]', '42["connect"]', '42["disconnect"]', '42["connect_error"]',
        "43[1]", "431{}", "431", "44", '44{"message":"x"}', '40"text"', "40[]", '401{"a":1}', "41{}",
        '45["message"]', '450-["message"]', '4511-["message"]', '459999999999-["message"]', '421-["message"]',
        "42" + "[" * 100_000, '42["message",' + "[" * 2000 + "]" * 2000 + "]",
    ],
    ids=lambda packet: ascii(packet)[:30],
)  # fmt: skip
def test_an_invalid_packet_closes_the_connection(talker, packet):
    talker.send(packet)

    assert talker.is_closed(silently=True)


@pytest.mark.parametrize(
    "packets",
    [
        [b"\x00"],
        ['451-["message",{"_placeholder":true,"num":0}]', '42["message"]'],
        ['451-["message",{"_placeholder":true,"num":1}]', b"\x00"],
        ['451-["message",{"_placeholder":true,"num":-1}]', b"\x00"],
        ['451-["message",{"_placeholder":true,"num":"0"}]', b"\x00"],
        ['451-["message",{"_placeholder":true,"num":true}]', b"\x00"],
        ['451-["message",{"_placeholder":true}]', b"\x00"],
        ['451-["message",' + "[" * 500 + "]" * 500 + "]", b"\x00"],
    ],
    ids=["unannounced", "text instead", "beyond", "negative", "text", "bool", "none", "deep"],
)
def test_attachments_that_do_not_match_close_the_connection(talker, packets):
    for packet in packets:
        talker.send(packet)

    assert talker.is_closed(silently=True)
