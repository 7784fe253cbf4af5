"""Statistics of online users over REST."""

import pytest

from imapp.extensions import socketio
from tests.accounts import bearer, promote, register


def online(client, tokens, **query):
    return client.get("/api/stats/online", query_string=query, headers=bearer(tokens))


def connect(app, tokens):
    socket = socketio.test_client(app, auth={"token": tokens["access_token"]})
    assert socket.is_connected()
    return socket


def test_users_are_counted_once_whatever_their_number_of_devices(app, client):
    alice, bob = register(client, "alice"), register(client, "bob")
    register(client, "carol")
    sockets = [connect(app, alice), connect(app, alice), connect(app, bob)]

    promote(app, alice)
    answer = online(client, alice).json

    assert (answer["count"], answer["user_ids"], answer["next_cursor"]) == (2, [1, 2], None)
    assert answer["nodes"] == [{"id": answer["node_id"], "connections": 3, "users": 2, "platforms": {"unknown": 3}}]
    for socket in sockets:
        socket.disconnect()
    assert online(client, alice).json["count"] == 0


def test_the_ids_come_in_pages(make_app):
    app = make_app(stats_visibility="everyone")
    client = app.test_client()
    people = [register(client, f"user{number}") for number in range(5)]
    sockets = [connect(app, tokens) for tokens in people]

    seen, cursor = [], None
    while len(seen) < 10:
        page = online(client, people[0], limit=2, **({"cursor": cursor} if cursor else {})).json
        seen.append(page["user_ids"])
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert seen == [[1, 2], [3, 4], [5]]
    for socket in sockets:
        socket.disconnect()


@pytest.mark.parametrize("cursor", ["x", "-1", "9" * 30, "1;2"])
def test_an_invalid_cursor_is_refused(client, cursor):
    alice = register(client, "alice")

    assert online(client, alice, cursor=cursor).json["code"] == "invalid_input"


def test_counts_are_for_everybody_and_ids_for_operators(app, client):
    alice, operator = register(client, "alice"), register(client, "olga")
    promote(app, operator)
    socket = connect(app, alice)

    shown, whole = online(client, alice).json, online(client, operator).json

    assert (shown["count"], shown["user_ids"], shown["next_cursor"]) == (1, [], None)
    assert (whole["count"], whole["user_ids"]) == (1, [alice["user"]["id"]])
    assert shown["nodes"] == whole["nodes"]
    assert shown["degraded"] is False
    socket.disconnect()
