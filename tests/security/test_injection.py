"""Hostile text (drills S8, S15, S21) stays data in queries, in JSON and in the log."""

import logging

import pytest

from imapp.extensions import db, socketio
from imapp.models.users import User
from imapp.node import node_of
from tests.accounts import PASSWORD, bearer, login, me, refresh, register

SQL = [
    "'",
    '"',
    "' OR '1'='1",
    "' OR 1=1 -- ",
    "'; DROP TABLE users; --",
    "alice'--",
    "alice' AND (SELECT COUNT(*) FROM users) > 0 --",
    "' UNION SELECT password_hash FROM users --",
    "1; SELECT pg_sleep(5)",
    "' AND SLEEP(5) -- ",
    "' OR randomblob(100000000) --",
    "%' OR '%'='",
    "\\' OR 1=1 #",
    "') OR ('1'='1",
    "%27%20OR%201=1",
    "\u02bc OR 1=1",
    "${7*7}{{7*7}}%(x)s {0}",
]

NOT_SCALAR = [{"$gt": ""}, {"": ""}, ["alice"], [["alice"]], 1, 1.5, True, None]

HOSTILE_LINES = [
    "x\r\n2026-01-01 CRITICAL forged line",
    "x\n\nforged line",
    "\x1b[2J\x1b[31mforged line",
    "x\u2028forged line",
    "%s %d %n forged line",
    "forged line " * 50_000,
]


@pytest.mark.parametrize("text", SQL)
def test_sql_in_a_log_in_is_treated_as_wrong_credentials(client, text):
    register(client, "alice")

    as_account, as_password = login(client, text), login(client, "alice", text)

    assert (as_account.status_code, as_account.json["code"]) == (401, "bad_credentials")
    assert (as_password.status_code, as_password.json["code"]) == (401, "bad_credentials")


@pytest.mark.parametrize("text", SQL)
def test_sql_in_a_search_finds_nobody(client, text):
    alice = register(client, "alice")

    for parameter in ("query", "cursor"):
        given = {"query": "zzz", parameter: text}
        answer = client.get("/api/users", query_string=given, headers=bearer(alice))
        assert answer.status_code in {200, 422}
        assert answer.json.get("items", []) == []


@pytest.mark.parametrize("text", SQL)
def test_sql_in_a_path_is_answered_404(client, text):
    alice = register(client, "alice")

    for path in ("/api/users/1", "/api/sessions/1"):
        answer = client.get(f"{path}{text}", headers=bearer(alice))
        assert answer.status_code in {404, 405}


@pytest.mark.parametrize("text", SQL)
def test_sql_in_a_profile_is_stored_unchanged(app, client, text):
    alice = register(client, "alice")

    answer = client.patch("/api/users/me", json={"nickname": text, "bio": text}, headers=bearer(alice))

    assert answer.status_code == 200
    assert (me(client, alice).json["nickname"], me(client, alice).json["bio"]) == (text.strip(), text)
    with app.app_context():
        assert db.session.scalar(db.select(db.func.count()).select_from(User)) == 1


@pytest.mark.parametrize("value", NOT_SCALAR, ids=repr)
def test_another_type_in_place_of_text_is_refused(client, value):
    alice = register(client, "alice")

    answers = [
        login(client, value),
        login(client, "alice", value),
        client.post("/api/auth/register", json={"username": value, "password": PASSWORD}),
        refresh(client, value),
        client.patch("/api/users/me", json={"nickname": value}, headers=bearer(alice)),
    ]

    assert {(answer.status_code, answer.json["code"]) for answer in answers} == {(422, "invalid_input")}


@pytest.mark.parametrize(
    "value",
    [
        b"NaN",
        b"-Infinity",
        b'"\\ud800"',
        b'"\\udfff\\ud800"',
        b'"a\\u0000b"',
        b'"\xc3\x28"',
        b'"\xed\xa0\x80"',
        b"[" * 5000,
    ],
    ids=repr,
)
def test_malformed_json_is_refused_and_nothing_is_stored(client, value):
    alice = register(client, "alice")
    before = me(client, alice).json

    answer = client.patch(
        "/api/users/me",
        data=b'{"bio": ' + value[:5000] + b"}",
        content_type="application/json",
        headers=bearer(alice),
    )

    assert (answer.status_code, answer.json["code"]) == (400, "malformed")
    assert me(client, alice).json == before


@pytest.mark.parametrize("text", HOSTILE_LINES, ids=lambda text: repr(text[:24]))
def test_text_of_a_client_does_not_reach_the_log(client, caplog, text):
    caplog.set_level(logging.DEBUG)
    alice = register(client, "alice")
    named = text[:60]

    login(client, named, named)
    client.post("/api/auth/register", json={"username": named, "password": text[:1000]})
    client.patch("/api/users/me", json={"nickname": named, "bio": named}, headers=bearer(alice))
    client.get("/api/users", query_string={"query": named}, headers=bearer(alice))
    client.get(f"/api/{text[:200]}", headers={**bearer(alice), "X-Text": "x"})
    client.get("/api/users/me", headers={"Authorization": "Bearer forged-line"})

    ours = [record for record in caplog.records if record.name.startswith("imapp")]
    assert not [record for record in ours if "forged" in record.getMessage()]
    assert not [record for record in ours if "\n" in record.getMessage()]


def test_the_log_contains_no_secret(app, client, caplog):
    caplog.set_level(logging.DEBUG)

    alice = register(client, "alice")
    login(client, "alice", "mistyped passphrase")
    again = refresh(client, alice["refresh_token"]).json
    me(client, again)
    refresh(client, alice["refresh_token"])
    socketio.test_client(app, auth={"token": again["access_token"]})

    secrets = [PASSWORD, "mistyped passphrase", node_of(app).settings.secret_key]
    secrets += [tokens[kind] for tokens in (alice, again) for kind in ("access_token", "refresh_token")]
    assert not [secret for secret in secrets if secret in caplog.text]
    assert "refresh_token_reused" in caplog.text
