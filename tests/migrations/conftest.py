"""Empty databases, without tables, on both systems."""

import pytest


@pytest.fixture(params=["sqlite", "mariadb"])
def bare_url(request, tmp_path):
    """Make an empty database and return its URL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/bare.db"
    return request.getfixturevalue("mariadb").create_database()
