"""Neither answers nor their work or time reveal whether an account exists (drill S10)."""

import statistics
import time

import pytest
import requests

from tests.accounts import bearer, login, register


@pytest.fixture
def costly(make_app):
    """Return a client of an app with hashes slow enough to be measured."""
    return make_app(argon2_memory_kib=4096, argon2_time_cost=2).test_client()


def shape(answer):
    """Return the parts of an answer that a stranger sees, without those that always differ."""
    headers = {name: value for name, value in answer.headers.items() if name not in ("Date", "X-Request-ID")}
    return answer.status_code, answer.data, headers


@pytest.mark.parametrize("account", ["nobody", "NOBODY", "no body", "", "'", "x" * 320])
def test_an_unknown_account_and_a_wrong_password_get_the_same_answer(client, account):
    register(client, "alice")

    unknown, wrong = login(client, account or "?", "some password"), login(client, "alice", "some password")

    assert shape(unknown) == shape(wrong)


def test_an_unknown_account_and_a_wrong_password_take_the_same_time(costly):
    register(costly, "alice")

    def seconds(account):
        started = time.perf_counter()
        login(costly, account, "some password")
        return time.perf_counter() - started

    # Alternate, so that other load on the machine affects both.
    pairs = [(seconds("alice"), seconds("nobody")) for _ in range(25)]
    known, unknown = (statistics.median(times) for times in zip(*pairs, strict=True))

    assert 0.6 < known / unknown < 1.67


def test_another_users_session_and_an_unknown_one_get_the_same_answer(client):
    alice, mallory = register(client, "alice"), register(client, "mallory")
    theirs = client.get("/api/sessions", headers=bearer(alice)).json["items"][0]["id"]

    existing = client.delete(f"/api/sessions/{theirs}", headers=bearer(mallory))
    missing = client.delete("/api/sessions/999999", headers=bearer(mallory))

    assert shape(existing) == shape(missing)


def test_guessing_the_present_password_needs_a_session(client):
    register(client, "alice")

    answer = client.post("/api/auth/password", json={"old_password": "x", "new_password": "y"})

    assert (answer.status_code, answer.json["code"]) == (401, "invalid_token")


def test_a_node_does_not_name_its_http_server(server):
    answer = requests.get(f"{server.url}/actuator/health/liveness", timeout=10)

    assert answer.headers["Server"] == "imapp"
