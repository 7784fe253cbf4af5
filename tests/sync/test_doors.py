"""`sync` gives the same over the socket and REST, and both enforce its limits."""

import pytest


@pytest.fixture
def database():
    """Use SQLite alone: neither interface depends on the database."""
    return "sqlite"


@pytest.fixture
def chat(world):
    """Make a conversation of Ann and Bob with four messages and a read mark; return its id."""
    ann, bob, _ = world.people
    conversation_id = ann.rest("/api/conversations", {"user_id": bob.id})["id"]
    for number in range(4):
        draft = {"client_id": str(number), "type": "text", "content": {"text": "hi"}}
        ann.rest(f"/api/conversations/{conversation_id}/messages", draft)
    bob.rest(f"/api/conversations/{conversation_id}/read", {"seq": 2})
    return conversation_id


def test_socket_and_rest_give_the_same_answer(world, chat):
    bob = world.people[1]
    device = bob.devices[0]
    device.connect()

    for request in ({}, {"conversations": {str(chat): 1}, "limit": 2}, {"conversations": {"999": 1}, "cursor": "x.1"}):
        by_rest = bob.rest("/api/sync", request)
        by_socket = device.wire.call("sync", request)

        assert by_socket.pop("ok") is True
        assert by_rest.pop("server_time") <= by_socket.pop("server_time")
        version_by_rest, version_by_socket = (answer.pop("cursor").split(".")[:2] for answer in (by_rest, by_socket))
        assert version_by_socket == version_by_rest
        assert by_socket == by_rest


@pytest.mark.parametrize(
    "request_",
    [
        {"conversations": {"x": 1}},
        {"conversations": {"1": -1}},
        {"conversations": {"1": "1.5"}},
        {"conversations": [1]},
        {"limit": 0},
        {"cursor": 5},
        {"unknown": 1},
    ],
)
def test_an_invalid_request_is_refused_over_socket_and_rest(world, request_):
    ann = world.people[0]
    ann.devices[0].connect()

    ack = ann.devices[0].wire.call("sync", request_)
    answer = ann.rest.try_("POST", "/api/sync", request_)

    assert ack["error"]["code"] == answer.json["code"] == "invalid_input"


def test_waiting_pushes_are_applied_after_sync(world, chat):
    ann, bob, _ = world.people
    device = bob.devices[0]
    device.connect()
    draft = {"client_id": "later", "type": "text", "content": {"text": "hi"}}
    ann.rest(f"/api/conversations/{chat}/messages", draft)
    world.settle()
    assert [event for event, _ in device.wire.inbox] == ["message_created"]

    device.catch_up(50)

    assert device.view() == bob.fresh()
    assert not device.wire.inbox
