"""DELETE /api/users/me."""

from tests.accounts import PASSWORD, bearer, login, me, refresh, register


def erase(client, tokens, **body):
    return client.delete("/api/users/me", json={"password": PASSWORD, **body}, headers=bearer(tokens))


def test_an_account_erases_itself_and_is_gone(client):
    tokens = register(client, "alice", nickname="Alice")

    assert erase(client, tokens).status_code == 204

    assert me(client, tokens).status_code == 401
    assert refresh(client, tokens["refresh_token"]).status_code == 401
    assert login(client, "alice").status_code == 401
    again = client.post("/api/auth/register", json={"username": "alice", "password": PASSWORD})
    assert again.json["code"] == "username_taken"  # for good: nobody takes the person's name over


def test_it_takes_the_password(client):
    tokens = register(client, "alice")

    wrong = erase(client, tokens, password="something else")

    assert (wrong.status_code, wrong.json["code"]) == (403, "wrong_password")
    assert client.delete("/api/users/me", headers=bearer(tokens)).status_code in {415, 422}
    assert me(client, tokens).status_code == 200


def test_the_owner_of_a_group_is_told_which(client):
    tokens = register(client, "alice")
    client.post("/api/groups", json={"name": "Hikers"}, headers=bearer(tokens))

    refused = erase(client, tokens, messages="delete")

    assert (refused.status_code, refused.json["code"]) == (409, "owner_must_transfer")
    assert "Hikers" in refused.json["detail"]
    assert me(client, tokens).status_code == 200


def test_an_owner_can_give_the_groups_away_with_it(client):
    """Ownership comes without consent: it must not keep anybody from leaving."""
    tokens, heir = register(client, "alice"), register(client, "bob")
    body = {"name": "Hikers", "member_ids": [heir["user"]["id"]]}
    group = client.post("/api/groups", json=body, headers=bearer(tokens)).json["id"]

    assert erase(client, tokens, transfer_groups=True).status_code == 204

    assert client.get(f"/api/groups/{group}", headers=bearer(heir)).json["owner_id"] == heir["user"]["id"]
