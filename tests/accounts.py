"""What people do to get in, over REST, in the words of the tests."""

import pyotp

from imapp.database import atomic
from imapp.models.users import User

PASSWORD = "correct horse battery"


def bearer(tokens):
    """The header that proves who calls."""
    return {"Authorization": f"Bearer {tokens['access_token']}"}


def register(client, username, **extra):
    """Create an account; gives the tokens."""
    answer = client.post("/api/auth/register", json={"username": username, "password": PASSWORD, **extra})
    assert answer.status_code == 201, answer.text
    return answer.json


def login(client, account, password=PASSWORD, **extra):
    """Try to log in; gives the answer."""
    return client.post("/api/auth/login", json={"account": account, "password": password, **extra})


def refresh(client, token):
    """Try to spend a refresh token; gives the answer."""
    return client.post("/api/auth/refresh", json={"refresh_token": token})


def me(client, tokens):
    """Ask for one's own account; gives the answer."""
    return client.get("/api/users/me", headers=bearer(tokens))


def promote(app, tokens):
    """Make the user of these tokens an operator."""

    def change(session):
        session.get_one(User, tokens["user"]["id"]).is_operator = True

    with app.app_context():
        atomic(change)


def admin_login(client, account, code=None, password=PASSWORD):
    """Try to log in as an operator; gives the answer."""
    body = {"account": account, "password": password, **({} if code is None else {"code": code})}
    return client.post("/api/admin/login", json=body)


def begin_enrolment(client, account, password=PASSWORD):
    """Ask for the secret of a second factor; gives the answer."""
    return client.post("/api/admin/second-factor", json={"account": account, "password": password})


def confirm_enrolment(client, account, code, password=PASSWORD):
    """Bring its first code; gives the answer."""
    body = {"account": account, "password": password, "code": code}
    return client.post("/api/admin/second-factor/confirm", json=body)


def enrol(client, account):
    """Set up a second factor; gives its secret and the answer to its first code."""
    secret = begin_enrolment(client, account).json["secret"]
    answer = confirm_enrolment(client, account, pyotp.TOTP(secret).now())
    assert answer.status_code == 200, answer.text
    return secret, answer.json
