"""Registration, log-in, refresh and log-out over REST."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from imapp.database.transactions import atomic
from imapp.models.sessions import DeviceSession
from imapp.models.users import User
from tests.accounts import PASSWORD, bearer, login, me, refresh, register


def disable(app, username_key):
    def change(session):
        session.execute(update(User).where(User.username_key == username_key).values(disabled_at=datetime.now(UTC)))

    with app.app_context():
        atomic(change)


def test_registering_creates_a_logged_in_account(client):
    tokens = register(client, "Alice", nickname="Alice in W.")

    assert tokens["user"]["username"] == "Alice"
    assert tokens["user"]["nickname"] == "Alice in W."
    assert tokens["expires_in"] == 900
    assert me(client, tokens).json == tokens["user"]


def test_the_nickname_defaults_to_the_username(client):
    assert register(client, "Alice")["user"]["nickname"] == "Alice"


@pytest.mark.parametrize("same", ["alice", "ALICE", "\uff21\uff4c\uff49\uff43\uff45"])
def test_a_username_is_taken_in_every_spelling_that_looks_the_same(client, same):
    register(client, "Alice")

    answer = client.post("/api/auth/register", json={"username": same, "password": PASSWORD})

    assert (answer.status_code, answer.json["code"]) == (409, "username_taken")


@pytest.mark.parametrize("name", ["张三", "Михаил", "ตุ๊กตา", "jürgen.müller", "a-b_c.9", "محمد"])
def test_usernames_may_be_written_in_any_script(client, name):
    assert register(client, name)["user"]["username"] == name
    assert login(client, name.upper()).status_code == 200


@pytest.mark.parametrize(
    "name",
    ["a", "a b", " ab", "ab\u202ec", "a@b", "<b>", "a/b", "☺☺", "x" * 33, "ab\u200d", "a\tb", "'--", "%%", "..\\.."],
)
def test_invalid_usernames_are_refused(client, name):
    answer = client.post("/api/auth/register", json={"username": name, "password": PASSWORD})

    assert (answer.status_code, answer.json["code"]) == (422, "invalid_username")


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("short 7", "at least 8"),
        ("password1", "most common"),
        ("PASSWORD1", "most common"),
        ("Wonderland12", "own name"),
        ("wonderlandwonderland", "own name"),
    ],
)
def test_guessable_passwords_are_refused(client, password, why):
    answer = client.post("/api/auth/register", json={"username": "Wonderland", "password": password})

    assert (answer.status_code, answer.json["code"]) == (422, "weak_password")
    assert why in answer.json["detail"]


@pytest.mark.parametrize("password", ["x y z 1 2 3 4", "密码是一个很长的句子", "🐎🔋📎✅ 12345", "a" * 7 + "é" * 120])
def test_long_passwords_of_any_characters_are_accepted(client, password):
    answer = client.post("/api/auth/register", json={"username": "alice", "password": password})

    assert answer.status_code == 201
    assert login(client, "alice", password).status_code == 200
    assert login(client, "alice", password + "x").status_code == 401


def test_composed_and_decomposed_characters_make_the_same_password(client):
    client.post("/api/auth/register", json={"username": "alice", "password": "caf\u00e9 au lait"})

    assert login(client, "alice", "cafe\u0301 au lait").status_code == 200


def test_log_in_ignores_the_case_of_the_name_and_creates_a_new_session(client):
    first = register(client, "Alice")

    second = login(client, "aLICE", device={"name": "Phone", "platform": "android"})

    assert second.status_code == 200
    assert second.json["user"] == first["user"]
    assert len(client.get("/api/sessions", headers=bearer(first)).json["items"]) == 2


def test_a_disabled_account_cannot_log_in_and_loses_its_sessions(app, client):
    tokens = register(client, "alice")
    disable(app, "alice")

    answer = login(client, "alice")

    assert (answer.status_code, answer.json["code"]) == (403, "account_disabled")
    assert me(client, tokens).json["code"] == "session_revoked"
    assert refresh(client, tokens["refresh_token"]).json["code"] == "session_revoked"


def test_a_wrong_password_does_not_reveal_that_an_account_is_disabled(app, client):
    register(client, "alice")
    disable(app, "alice")

    assert login(client, "alice", "wrong password").json["code"] == "bad_credentials"


def test_refreshing_gives_new_tokens_for_the_same_session(client):
    first = register(client, "alice")

    answer = refresh(client, first["refresh_token"])

    assert answer.status_code == 200
    assert answer.json["access_token"] != first["access_token"]
    sessions = client.get("/api/sessions", headers=bearer(answer.json)).json["items"]
    assert [session["current"] for session in sessions] == [True]


def test_reuse_of_a_rotated_refresh_token_ends_the_session(client):
    first = register(client, "alice")
    second = refresh(client, first["refresh_token"]).json
    me(client, second)

    reused = refresh(client, first["refresh_token"])

    assert (reused.status_code, reused.json["code"]) == (401, "session_revoked")
    assert me(client, second).json["code"] == "session_revoked"
    assert refresh(client, second["refresh_token"]).json["code"] == "session_revoked"


def test_reuse_of_a_token_does_not_end_the_users_other_sessions(client):
    first = register(client, "alice")
    other = login(client, "alice").json
    refresh(client, refresh(client, first["refresh_token"]).json["refresh_token"])

    assert refresh(client, first["refresh_token"]).status_code == 401

    assert me(client, other).status_code == 200


def test_access_and_refresh_tokens_are_not_interchangeable(client):
    tokens = register(client, "alice")

    as_access = me(client, {"access_token": tokens["refresh_token"]})
    as_refresh = refresh(client, tokens["access_token"])

    assert (as_access.status_code, as_access.json["code"]) == (401, "invalid_token")
    assert (as_refresh.status_code, as_refresh.json["code"]) == (401, "invalid_token")


def test_a_session_ends_if_it_is_not_refreshed_in_time(app, client):
    tokens = register(client, "alice")
    past = datetime.now(UTC) - timedelta(seconds=1)
    with app.app_context():
        atomic(lambda session: session.execute(update(DeviceSession).values(expires_at=past)) and None)

    assert me(client, tokens).json["code"] == "session_revoked"
    assert refresh(client, tokens["refresh_token"]).json["code"] == "session_revoked"


def test_logging_out_ends_the_session_at_once(client):
    tokens = register(client, "alice")

    answer = client.post("/api/auth/logout", headers=bearer(tokens))

    assert (answer.status_code, answer.data) == (204, b"")
    assert me(client, tokens).json["code"] == "session_revoked"
    assert refresh(client, tokens["refresh_token"]).json["code"] == "session_revoked"


def test_a_password_change_ends_all_other_sessions(client):
    here = register(client, "alice")
    there = login(client, "alice").json

    answer = client.post(
        "/api/auth/password",
        json={"old_password": PASSWORD, "new_password": "a better passphrase"},
        headers=bearer(here),
    )

    assert answer.status_code == 204
    assert me(client, here).status_code == 200
    assert me(client, there).status_code == 401
    assert login(client, "alice").status_code == 401
    assert login(client, "alice", "a better passphrase").status_code == 200


def test_a_password_change_needs_the_present_password_and_a_strong_new_one(client):
    tokens = register(client, "alice")

    def change(old, new):
        body = {"old_password": old, "new_password": new}
        return client.post("/api/auth/password", json=body, headers=bearer(tokens)).json["code"]

    assert change("not the password", "a better passphrase") == "wrong_password"
    assert change(PASSWORD, "password1") == "weak_password"
    assert login(client, "alice").status_code == 200


def test_tokens_of_the_previous_key_are_valid_until_that_key_is_removed(make_app):
    old, new = "o" * 32, "n" * 32
    tokens = register(make_app(secret_key=old).test_client(), "alice")

    during = make_app(secret_key=new, secret_key_previous=old).test_client()
    after = make_app(secret_key=new).test_client()

    assert me(during, tokens).status_code == 200
    assert me(after, tokens).json["code"] == "invalid_token"
    renewed = refresh(during, tokens["refresh_token"]).json
    assert me(after, renewed).status_code == 200


def test_a_log_in_beyond_the_session_limit_ends_the_oldest_unused_session(client):
    first = register(client, "alice")
    second = login(client, "alice").json
    for _ in range(49):
        login(client, "alice")

    assert me(client, first).json["code"] == "session_revoked"
    assert me(client, second).status_code == 200


def test_a_session_id_is_not_reused(client):
    tokens = register(client, "alice")
    client.post("/api/auth/logout", headers=bearer(tokens))

    login(client, "alice")

    assert me(client, tokens).json["code"] == "session_revoked"
