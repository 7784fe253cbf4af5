"""The rules hold on every database."""

import pytest


@pytest.fixture(params=["sqlite", "mariadb"])
def database(request):
    """Both."""
    return request.param
