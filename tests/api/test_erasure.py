"""DELETE /api/users/me."""

from tests.accounts import PASSWORD, bearer, login, me, refresh, register


def erase(client, tokens, **body):
    return client.delete("/api/users/me", json={"password": PASSWORD, **body}, headers=bearer(tokens))


def test_an_erased_account_cannot_be_used_or_registered_again(client):
    tokens = register(client, "alice", nickname="Alice")

    assert erase(client, tokens).status_code == 204

    assert me(client, tokens).status_code == 401
    assert refresh(client, tokens["refresh_token"]).status_code == 401
    assert login(client, "alice").status_code == 401
    again = client.post("/api/auth/register", json={"username": "alice", "password": PASSWORD})
    assert again.json["code"] == "username_taken"  # forever, so that nobody takes over the person's name


def test_an_erasure_needs_the_password(client):
    tokens = register(client, "alice")

    wrong = erase(client, tokens, password="something else")

    assert (wrong.status_code, wrong.json["code"]) == (403, "wrong_password")
    assert client.delete("/api/users/me", headers=bearer(tokens)).status_code in {415, 422}
    assert me(client, tokens).status_code == 200


def test_erasing_an_owner_is_refused_with_the_names_of_the_groups(client):
    tokens = register(client, "alice")
    client.post("/api/groups", json={"name": "Hikers"}, headers=bearer(tokens))

    refused = erase(client, tokens, messages="delete")

    assert (refused.status_code, refused.json["code"]) == (409, "owner_must_transfer")
    assert "Hikers" in refused.json["detail"]
    assert me(client, tokens).status_code == 200


def test_an_erasure_can_transfer_the_owners_groups(client):
    """Users become owners without consent, so ownership must not prevent an erasure."""
    tokens, heir = register(client, "alice"), register(client, "bob")
    body = {"name": "Hikers", "member_ids": [heir["user"]["id"]]}
    group = client.post("/api/groups", json=body, headers=bearer(tokens)).json["id"]

    assert erase(client, tokens, transfer_groups=True).status_code == 204

    assert client.get(f"/api/groups/{group}", headers=bearer(heir)).json["owner_id"] == heir["user"]["id"]
