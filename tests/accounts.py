"""What people do to get in, over REST, in the words of the tests."""

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
