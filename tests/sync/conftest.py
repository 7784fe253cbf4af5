"""What the tests of `sync` share; they run on both databases."""

import pytest

from imapp.services import receipts
from tests.sync.world import World


@pytest.fixture(params=["sqlite", "mariadb"])
def database(request):
    """Both."""
    return request.param


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    """Read marks in groups are told without delay."""
    monkeypatch.setattr(receipts, "INTERVAL_SECONDS", 0)


@pytest.fixture
def world(app):
    """Users with devices, on the app at hand."""
    made = World(app)
    yield made
    made.close()
