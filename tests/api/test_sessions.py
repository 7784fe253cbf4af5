"""The list of a user's sessions over REST."""

from tests.accounts import bearer, login, me, register


def ids(client, tokens):
    items = client.get("/api/sessions", headers=bearer(tokens)).json["items"]
    return [item["id"] for item in items]


def test_the_list_shows_each_session_and_marks_the_current_one(client):
    register(client, "alice", device={"name": "Laptop", "platform": "linux"})
    phone = login(client, "alice", device={"name": "Phone", "platform": "android"}).json

    answer = client.get("/api/sessions", headers=bearer(phone))

    assert answer.json["next_cursor"] is None
    shown = [(item["device_name"], item["platform"], item["current"]) for item in answer.json["items"]]
    assert shown == [("Phone", "android", True), ("Laptop", "linux", False)]
    assert answer.json["items"][0]["ip"] == "127.0.0.1"


def test_a_long_user_agent_is_truncated(client):
    tokens = client.post(
        "/api/auth/register",
        json={"username": "alice", "password": "correct horse battery"},
        headers={"User-Agent": "x" * 5000},
    ).json

    answer = client.get("/api/sessions", headers=bearer(tokens))

    assert answer.json["items"][0]["user_agent"] == "x" * 255


def test_a_session_can_be_ended_from_another_device(client):
    laptop = register(client, "alice")
    phone = login(client, "alice").json
    lost = ids(client, laptop)[0]

    answer = client.delete(f"/api/sessions/{lost}", headers=bearer(laptop))

    assert answer.status_code == 204
    assert me(client, phone).json["code"] == "session_revoked"
    assert len(ids(client, laptop)) == 1


def test_all_other_sessions_can_be_ended_at_once(client):
    laptop = register(client, "alice")
    others = [login(client, "alice").json for _ in range(3)]

    answer = client.delete("/api/sessions", headers=bearer(laptop))

    assert answer.status_code == 204
    assert {me(client, tokens).status_code for tokens in others} == {401}
    assert me(client, laptop).status_code == 200


def test_another_users_session_is_neither_visible_nor_can_it_be_ended(client):
    alice, mallory = register(client, "alice"), register(client, "mallory")
    theirs = ids(client, alice)[0]

    answer = client.delete(f"/api/sessions/{theirs}", headers=bearer(mallory))

    assert (answer.status_code, answer.json["code"]) == (404, "not_found")
    assert theirs not in ids(client, mallory)
    assert me(client, alice).status_code == 200


def test_ending_an_ended_session_fails(client):
    laptop = register(client, "alice")
    login(client, "alice")
    lost = ids(client, laptop)[0]
    client.delete(f"/api/sessions/{lost}", headers=bearer(laptop))

    assert client.delete(f"/api/sessions/{lost}", headers=bearer(laptop)).status_code == 404
