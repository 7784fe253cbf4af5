"""Operators' actions over REST, and their refusal to all other users."""

import re
from datetime import timedelta

import pytest

from imapp.clock import now
from imapp.database.transactions import atomic
from imapp.extensions import db, socketio
from imapp.models.audit_log import AdminAct
from tests.accounts import bearer, login, me, promote, refresh, register


@pytest.fixture
def olga(app, client):
    """Return the tokens of an operator."""
    tokens = register(client, "olga", nickname="Olga O.")
    promote(app, tokens)
    return tokens


def connect(app, tokens):
    socket = socketio.test_client(app, auth={"token": tokens["access_token"]})
    assert socket.is_connected()
    return socket


def get(client, tokens, path, **query):
    return client.get("/api/admin" + path, query_string=query, headers=bearer(tokens))


def do(client, tokens, method, path):
    return client.open("/api/admin" + path, method=method, headers=bearer(tokens))


def acts(client, tokens):
    items = get(client, tokens, "/acts").json["items"]
    return [(act["name"], act["action"], act["target"], act["ip"]) for act in items]


def test_every_operator_route_is_refused_to_plain_users_and_without_a_token(app, client, olga):
    eve = register(client, "eve")

    tried = [
        (method, re.sub("<[^>]+>", "1", rule.rule.replace("<message:message_id>", "1-1")))
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if rule.rule.startswith("/api/admin/") and not rule.endpoint.startswith("admin_login.")
    ]
    strangers = {client.open(path, method=method).status_code for method, path in tried}
    others = {client.open(path, method=method, headers=bearer(eve)).json["code"] for method, path in tried}

    assert len(tried) >= 10
    assert strangers == {401}
    # Some routes validate the input first, so invalid requests may be refused for that reason.
    assert "forbidden" in others
    assert others <= {"forbidden", "invalid_input", "malformed", "unsupported_media_type"}
    assert me(client, olga).status_code == 200


def test_online_users_are_listed_in_pages(app, client, olga):
    people = [register(client, f"user{number}") for number in range(3)]
    sockets = [connect(app, tokens) for tokens in people]
    register(client, "away")

    first = get(client, olga, "/users", limit=2).json
    second = get(client, olga, "/users", limit=2, cursor=first["next_cursor"]).json

    assert [user["username"] for user in first["items"] + second["items"]] == ["user0", "user1", "user2"]
    assert (first["online"], second["next_cursor"]) == (3, None)
    assert {user["is_online"] for user in first["items"]} == {True}
    for socket in sockets:
        socket.disconnect()


def test_a_search_finds_accounts_by_name_prefix_and_includes_disabled_ones(client, olga):
    register(client, "alice")
    register(client, "bob", nickname="Ali Baba")
    alina = register(client, "alina")
    do(client, olga, "POST", f"/users/{alina['user']['id']}/disable")

    found = get(client, olga, "/users", query="ali").json["items"]

    assert [user["username"] for user in found] == ["alice", "alina", "bob"]
    assert [user["disabled_at"] is None for user in found] == [True, False, True]
    assert {user["is_online"] for user in found} == {False}


@pytest.mark.parametrize("path", ["/users", "/acts"])
def test_an_invalid_cursor_is_refused(client, olga, path):
    assert get(client, olga, path, cursor="x").json["code"] == "invalid_input"


def test_sessions_of_a_user_are_shown_with_their_connections(app, client, olga):
    laptop = register(client, "alice", device={"name": "Laptop", "platform": "linux"})
    login(client, "alice", device={"name": "Phone", "platform": "android"})
    socket = connect(app, laptop)

    shown = get(client, olga, f"/users/{laptop['user']['id']}/sessions").json

    assert (shown["user"]["username"], shown["user"]["is_online"]) == ("alice", True)
    devices = [(one["device_name"], one["platform"], one["ip"], len(one["connections"])) for one in shown["items"]]
    assert devices == [("Phone", "android", "127.0.0.1", 0), ("Laptop", "linux", "127.0.0.1", 1)]
    connection = shown["items"][1]["connections"][0]
    assert (connection["node_id"], connection["platform"]) == ("node-1", "linux")
    socket.disconnect()


def test_ending_a_session_closes_its_socket_and_refuses_its_tokens(app, client, olga):
    alice = register(client, "alice")
    socket = connect(app, alice)
    session_id = get(client, olga, f"/users/{alice['user']['id']}/sessions").json["items"][0]["id"]

    answer = do(client, olga, "DELETE", f"/sessions/{session_id}")

    assert answer.status_code == 204
    assert not socket.is_connected()
    assert me(client, alice).json["code"] == "session_revoked"
    assert refresh(client, alice["refresh_token"]).json["code"] == "session_revoked"
    assert acts(client, olga) == [
        ("olga", "end_session", f"session:{session_id} of user:{alice['user']['id']}", "127.0.0.1")
    ]
    assert do(client, olga, "DELETE", f"/sessions/{session_id}").status_code == 404


def test_closing_a_connection_keeps_the_session(app, client, olga):
    alice = register(client, "alice")
    socket, other = connect(app, alice), connect(app, alice)
    connections = get(client, olga, f"/users/{alice['user']['id']}/sessions").json["items"][0]["connections"]

    answer = do(client, olga, "DELETE", f"/connections/{connections[0]['sid']}")

    assert answer.status_code == 204
    assert sorted([socket.is_connected(), other.is_connected()]) == [False, True]
    assert me(client, alice).status_code == 200
    assert acts(client, olga)[0][1] == "close_connection"
    assert do(client, olga, "DELETE", "/connections/node-1~nothing").status_code == 404
    for one in (socket, other):
        if one.is_connected():
            one.disconnect()


def test_a_disabled_account_loses_access_at_once_and_an_enabled_one_may_log_in(app, client, olga):
    alice = register(client, "alice")
    socket = connect(app, alice)
    path = f"/users/{alice['user']['id']}"

    answer = do(client, olga, "POST", f"{path}/disable")

    assert answer.status_code == 204
    assert not socket.is_connected()
    assert me(client, alice).json["code"] == "session_revoked"
    assert login(client, "alice").json["code"] == "account_disabled"
    assert do(client, olga, "POST", f"{path}/enable").status_code == 204
    assert login(client, "alice").status_code == 200
    assert me(client, alice).json["code"] == "session_revoked"
    target = f"user:{alice['user']['id']} alice"
    assert [act[1:3] for act in acts(client, olga)] == [("enable_user", target), ("disable_user", target)]


def test_repeating_an_act_logs_it_once(client, olga):
    alice = register(client, "alice")

    for _ in range(2):
        assert do(client, olga, "POST", f"/users/{alice['user']['id']}/disable").status_code == 204

    assert len(acts(client, olga)) == 1


def test_operators_cannot_disable_their_own_account(client, olga):
    answer = do(client, olga, "POST", f"/users/{olga['user']['id']}/disable")

    assert (answer.status_code, answer.json["code"]) == (409, "own_account")
    assert me(client, olga).status_code == 200


@pytest.mark.parametrize("what", ["users/99/disable", "users/99/enable"])
def test_disabling_or_enabling_an_unknown_account_fails(client, olga, what):
    assert do(client, olga, "POST", f"/{what}").json["code"] == "not_found"
    assert acts(client, olga) == []


def test_draining_a_node_without_a_cluster_fails(client, olga):
    answer = do(client, olga, "POST", "/nodes/node-1/drain")

    assert (answer.status_code, answer.json["code"]) == (503, "unavailable")
    assert "REDIS_URL" in answer.json["detail"]


def test_the_audit_log_is_listed_in_pages_latest_first(client, olga):
    people = [register(client, f"user{number}") for number in range(5)]
    for tokens in people:
        do(client, olga, "POST", f"/users/{tokens['user']['id']}/disable")

    first = get(client, olga, "/acts", limit=3).json
    second = get(client, olga, "/acts", limit=3, cursor=first["next_cursor"]).json

    targets = [act["target"].split()[1] for act in first["items"] + second["items"]]
    assert targets == ["user4", "user3", "user2", "user1", "user0"]
    assert second["next_cursor"] is None


def test_the_audit_log_is_kept_as_long_as_the_settings_say(make_app):
    app = make_app(admin_acts_days=30)
    client = app.test_client()
    olga = register(client, "olga")
    promote(app, olga)

    def write(session):
        for days in (29, 31):
            at = now() - timedelta(days=days)
            session.add(AdminAct(at=at, name="cli:root", action="drain_node", target=f"node:{days}", ip=""))

    with app.app_context():
        atomic(write)
        shown = [act[2] for act in acts(client, olga)]
        do(client, olga, "POST", f"/users/{register(client, 'bob')['user']['id']}/disable")
        stored = set(db.session.scalars(db.select(AdminAct.target)))

    assert shown == ["node:29"]
    assert stored == {"node:29", "user:2 bob"}


def test_accounts_created_on_the_command_line_are_in_the_audit_log(app, client, olga):
    run = app.test_cli_runner().invoke

    run(args=["im", "create-user", "oleg", "--operator"], input="correct horse\n")
    run(args=["im", "create-user", "bob"], input="correct horse\n")

    shown = acts(client, olga)
    assert [act[1:] for act in shown] == [("create_user", "user:3 bob", ""), ("create_operator", "user:2 oleg", "")]
    assert all(act[0].startswith("cli:") for act in shown)
