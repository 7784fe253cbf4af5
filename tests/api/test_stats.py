"""Who is online, over REST."""

import pytest

from imapp.database import atomic
from imapp.extensions import socketio
from imapp.models.users import User
from tests.accounts import bearer, register


def online(client, tokens, **query):
    return client.get("/api/stats/online", query_string=query, headers=bearer(tokens))


def connect(app, tokens):
    socket = socketio.test_client(app, auth={"token": tokens["access_token"]})
    assert socket.is_connected()
    return socket


def test_users_are_counted_once_however_many_devices_they_have(app, client):
    alice, bob = register(client, "alice"), register(client, "bob")
    register(client, "carol")
    sockets = [connect(app, alice), connect(app, alice), connect(app, bob)]

    answer = online(client, alice).json

    assert (answer["count"], answer["user_ids"], answer["next_cursor"]) == (2, [1, 2], None)
    assert answer["nodes"] == [{"id": answer["node_id"], "connections": 3, "users": 2, "platforms": {"unknown": 3}}]
    for socket in sockets:
        socket.disconnect()
    assert online(client, alice).json["count"] == 0


def test_the_ids_come_in_pages(app, client):
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
def test_a_cursor_that_is_not_ours_is_refused(client, cursor):
    alice = register(client, "alice")

    assert online(client, alice, cursor=cursor).json["code"] == "invalid_input"


def test_the_settings_may_keep_it_to_operators(make_app):
    app = make_app(stats_visibility="operators")
    client = app.test_client()
    alice, operator = register(client, "alice"), register(client, "olga")

    def promote(session):
        session.get(User, operator["user"]["id"]).is_operator = True

    with app.app_context():
        atomic(promote)

    assert online(client, alice).json["code"] == "forbidden"
    assert online(client, operator).status_code == 200
