"""Helpers of the tests to register and log in over REST."""

import pyotp

from imapp.database.transactions import atomic
from imapp.models.users import User

PASSWORD = "correct horse battery"


def bearer(tokens):
    """Return the header that authenticates the caller."""
    return {"Authorization": f"Bearer {tokens['access_token']}"}


def register(client, username, **extra):
    """Create an account; return the tokens."""
    answer = client.post("/api/auth/register", json={"username": username, "password": PASSWORD, **extra})
    assert answer.status_code == 201, answer.text
    return answer.json


def login(client, account, password=PASSWORD, **extra):
    """Try to log in; return the answer."""
    return client.post("/api/auth/login", json={"account": account, "password": password, **extra})


def refresh(client, token):
    """Try to use a refresh token; return the answer."""
    return client.post("/api/auth/refresh", json={"refresh_token": token})


def me(client, tokens):
    """Request the own account; return the answer."""
    return client.get("/api/users/me", headers=bearer(tokens))


def promote(app, tokens):
    """Make the user of these tokens an operator."""

    def change(session):
        session.get_one(User, tokens["user"]["id"]).is_operator = True

    with app.app_context():
        atomic(change)


def admin_login(client, account, code=None, password=PASSWORD):
    """Try to log in as an operator; return the answer."""
    body = {"account": account, "password": password, **({} if code is None else {"code": code})}
    return client.post("/api/admin/login", json=body)


def begin_enrolment(client, account, password=PASSWORD):
    """Request the secret of a second factor; return the answer."""
    return client.post("/api/admin/second-factor", json={"account": account, "password": password})


def confirm_enrolment(client, account, code, password=PASSWORD):
    """Send the first code of the second factor; return the answer."""
    body = {"account": account, "password": password, "code": code}
    return client.post("/api/admin/second-factor/confirm", json=body)


def enrol(client, account):
    """Set up a second factor; return its secret and the JSON of the answer to its first code."""
    secret = begin_enrolment(client, account).json["secret"]
    answer = confirm_enrolment(client, account, pyotp.TOTP(secret).now())
    assert answer.status_code == 200, answer.text
    return secret, answer.json
