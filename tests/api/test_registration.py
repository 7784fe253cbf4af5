"""Modes of registration, and operators' actions on accounts."""

import time

import pyotp
import pytest

from imapp.services.accounts import users
from tests.accounts import PASSWORD, admin_login, bearer, enrol, login, me, promote, refresh, register


def try_to_register(client, username, **extra):
    return client.post("/api/auth/register", json={"username": username, "password": PASSWORD, **extra})


@pytest.fixture
def open_house(make_app):
    """Provide `open_house(mode)`: a client of an app with this registration mode, and an operator's headers."""

    def make(mode):
        app = make_app(registration=mode, admin_second_factor=False)
        app.test_cli_runner().invoke(args=["im", "create-user", "olga", "--operator"], input=PASSWORD + "\n")
        client = app.test_client()
        return client, bearer(admin_login(client, "olga").json)

    return make


@pytest.fixture
def olga(make_app):
    """Return a client, the tokens of an operator's ordinary log-in, and the TOTP of the second factor."""
    app = make_app(admin_second_factor=True)
    client = app.test_client()
    promote(app, register(client, "olga"))
    secret, _ = enrol(client, "olga")
    return client, login(client, "olga").json, pyotp.TOTP(secret)


@pytest.mark.parametrize("mode", ["open", "invitation", "approval", "closed"])
def test_the_config_shows_the_registration_mode(make_app, mode):
    client = make_app(registration=mode).test_client()

    assert client.get("/api/config").json["features"]["registration"] == mode


def test_closed_registration_creates_no_account(open_house):
    client, _ = open_house("closed")

    answer = try_to_register(client, "alice")

    assert (answer.status_code, answer.json["code"]) == (403, "registration_closed")
    assert login(client, "alice").json["code"] == "bad_credentials"


def test_an_invitation_admits_its_number_of_accounts(open_house):
    client, operator = open_house("invitation")
    made = client.post("/api/admin/invitations", json={"uses": 2, "days": 1}, headers=operator).json
    sloppy = made["code"].upper().replace("-", "")

    without = try_to_register(client, "alice")
    answers = [try_to_register(client, name, invitation=sloppy) for name in ("alice", "bob", "carol")]

    assert (without.status_code, without.json["code"]) == (403, "invitation_required")
    assert [answer.status_code for answer in answers] == [201, 201, 403]
    assert answers[2].json["code"] == "invalid_invitation"


def test_a_failed_registration_uses_no_invitation(open_house):
    client, operator = open_house("invitation")
    code = client.post("/api/admin/invitations", json={}, headers=operator).json["code"]
    try_to_register(client, "olga", invitation=code)

    assert try_to_register(client, "alice", invitation=code).status_code == 201


def test_invitations_are_listed_without_their_code_and_can_be_revoked(open_house):
    client, operator = open_house("invitation")
    made = client.post("/api/admin/invitations", json={}, headers=operator).json
    listed = client.get("/api/admin/invitations", headers=operator)

    revoked = client.delete(f"/api/admin/invitations/{made['id']}", headers=operator)

    assert made["code"] not in listed.text
    assert [(one["id"], one["uses"], one["max_uses"]) for one in listed.json["items"]] == [(made["id"], 0, 1)]
    assert revoked.status_code == 204
    assert try_to_register(client, "alice", invitation=made["code"]).json["code"] == "invalid_invitation"
    assert client.get("/api/admin/invitations", headers=operator).json["items"] == []


def test_an_account_cannot_log_in_until_it_is_approved(open_house):
    client, operator = open_house("approval")

    registered = try_to_register(client, "alice")
    early, wrong = login(client, "alice"), login(client, "alice", "wrong password")
    waiting = client.get("/api/admin/users?pending=true", headers=operator).json["items"]
    approved = client.post(f"/api/admin/users/{waiting[0]['id']}/approve", headers=operator)

    assert (registered.status_code, registered.json["code"]) == (403, "approval_pending")
    assert (early.status_code, early.json["code"]) == (403, "approval_pending")
    assert wrong.json["code"] == "bad_credentials"
    assert [one["username"] for one in waiting] == ["alice"]
    assert approved.status_code == 204
    assert login(client, "alice").status_code == 200
    assert client.post(f"/api/admin/users/{waiting[0]['id']}/approve", headers=operator).status_code == 404


def test_a_password_set_by_an_operator_ends_all_sessions(open_house):
    client, operator = open_house("open")
    alice = register(client, "alice")
    path = f"/api/admin/users/{alice['user']['id']}/password"

    weak = client.post(path, json={"password": "12345678"}, headers=operator)
    given = client.post(path, json={"password": "a brand new phrase"}, headers=operator).json["password"]
    made_up = client.post(path, json={}, headers=operator).json["password"]

    assert (weak.status_code, weak.json["code"], given) == (422, "weak_password", "a brand new phrase")
    assert me(client, alice).json["code"] == refresh(client, alice["refresh_token"]).json["code"] == "session_revoked"
    assert login(client, "alice").json["code"] == "bad_credentials"
    assert login(client, "alice", made_up).status_code == 200
    acts = client.get("/api/admin/acts", headers=operator)
    assert [act["action"] for act in acts.json["items"]][:2] == ["set_password"] * 2
    assert made_up not in acts.text


def test_operators_cannot_reset_their_own_password(open_house):
    client, operator = open_house("open")
    own_id = client.get("/api/users/me", headers=operator).json["id"]

    answer = client.post(f"/api/admin/users/{own_id}/password", json={}, headers=operator)

    assert (answer.status_code, answer.json["code"]) == (409, "own_account")


def test_an_operator_needs_a_code_to_change_the_password_or_erase_the_account(olga):
    client, tokens, totp = olga
    change = {"old_password": PASSWORD, "new_password": "another passphrase"}

    codes = [
        client.post("/api/auth/password", json=change, headers=bearer(tokens)).json["code"],
        client.delete("/api/users/me", json={"password": PASSWORD}, headers=bearer(tokens)).json["code"],
        client.post("/api/auth/password", json={**change, "code": "000000"}, headers=bearer(tokens)).json["code"],
    ]
    # The code of the enrolment has been used; the code of the next step is within the window.
    code = totp.generate_otp(int(time.time()) // 30 + 1)
    changed = client.post("/api/auth/password", json={**change, "code": code}, headers=bearer(tokens))

    assert codes == ["second_factor_required", "second_factor_required", "wrong_code"]
    assert changed.status_code == 204


def test_commands_manage_accounts(app, client):
    run = app.test_cli_runner().invoke
    alice = register(client, "alice")

    invited = run(args=["im", "invite", "--uses", "3"])
    nobody_waits = run(args=["im", "approve"])
    made = run(args=["im", "make-operator", "alice"])
    is_operator = me(client, alice).json["is_operator"]
    revoked = run(args=["im", "revoke-operator", f"#{alice['user']['id']}"])
    generated = run(args=["im", "set-password", "alice", "--generate"])
    typed = run(args=["im", "set-password", "alice"], input="a brand new phrase\n")
    unknown = run(args=["im", "set-password", "nobody", "--generate"])

    assert " for 3 accounts until " in invited.output
    assert (nobody_waits.exit_code, nobody_waits.output) == (0, "")
    assert made.output == f"User {alice['user']['id']} (alice) is now an operator.\n"
    assert is_operator
    assert revoked.output == f"User {alice['user']['id']} (alice) is no longer an operator.\n"
    assert not users.get_me(alice["user"]["id"]).is_operator
    assert me(client, alice).json["code"] == "session_revoked"
    assert login(client, "alice", generated.output.rsplit(": ", 1)[1].strip()).json["code"] == "bad_credentials"
    assert typed.exit_code == 0
    assert login(client, "alice", "a brand new phrase").status_code == 200
    assert (unknown.exit_code, unknown.output) == (1, "Error: There is no user named nobody.\n")
