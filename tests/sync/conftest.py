"""Fixtures of the tests of `sync`, which run on both databases."""

import pytest

from imapp.services.messaging import receipts
from tests.sync.world import World


@pytest.fixture(params=["sqlite", "mariadb"])
def database(request):
    """Run the tests on both databases."""
    return request.param


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    """Push read marks in groups without delay."""
    monkeypatch.setattr(receipts, "INTERVAL_SECONDS", 0)


@pytest.fixture
def world(app):
    """Provide users with devices on the app of this process."""
    made = World(app)
    yield made
    made.close()
