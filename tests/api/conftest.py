"""Two users and their private conversation, over REST within the process."""

import pytest

from tests.accounts import bearer, register


@pytest.fixture
def ann(client):
    """Register a user; return the tokens."""
    return register(client, "ann")


@pytest.fixture
def bob(client):
    """Register another user; return the tokens."""
    return register(client, "bob")


@pytest.fixture
def call(client):
    """Provide `call(tokens, method, path, body)`, which makes a REST call and returns the answer."""

    def do(tokens, method, path, body=None):
        return client.open("/api" + path, method=method, json=body, headers=bearer(tokens))

    return do


@pytest.fixture
def private(call, ann, bob):
    """Return the id of Ann's conversation with Bob."""
    return call(ann, "POST", "/conversations", {"user_id": bob["user"]["id"]}).json["id"]
