"""Run the tests of the rules on every database."""

import pytest


@pytest.fixture(params=["sqlite", "mariadb"])
def database(request):
    """Return the database of the test: each test runs on both."""
    return request.param
