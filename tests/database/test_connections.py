"""What opening a connection to the database costs a node."""

import pytest

from imapp.extensions import db


@pytest.fixture(params=["mariadb"])
def database(request) -> str:
    """MariaDB only."""
    return request.param


def test_all_connections_share_one_tls_context(app):
    engines = db.engine, app.extensions["committer_engine"]
    connections = [engine.connect() for engine in (db.engine, *engines)]

    contexts = {id(one.connection.dbapi_connection.ctx) for one in connections}

    for one in connections:
        one.close()
    assert len({id(one) for one in connections}) == 3
    assert len(contexts) == 1, "each of them read the system's certificates, while no greenlet ran"
