"""The cost of a node's connections to the database, and their loss."""

import pytest
from sqlalchemy import text

from imapp.database.engines import CommitterEngine
from imapp.database.transactions import release
from imapp.extensions import db
from imapp.node import node_of
from tests.accounts import bearer, register


@pytest.fixture(params=["mariadb"])
def database(request) -> str:
    """Use MariaDB alone."""
    return request.param


def test_all_connections_share_one_tls_context(app):
    engines = db.engine, node_of(app).part(CommitterEngine).engine
    connections = [engine.connect() for engine in (db.engine, *engines)]

    contexts = {id(one.connection.dbapi_connection.ctx) for one in connections}

    for one in connections:
        one.close()
    assert len({id(one) for one in connections}) == 3
    assert len(contexts) == 1, "each connection read the system's certificates, which blocks all greenlets"


def test_a_request_is_answered_even_if_its_connection_dies_after_the_read(make_app, mariadb):
    app = make_app()
    client = app.test_client()
    ada = register(client, "ada")
    cut = []
    app.after_request_funcs.setdefault(None, []).append(lambda answer: cut.append(mariadb.cut_connections()) or answer)

    answers = [client.get("/api/users/me", headers=bearer(ada)) for _ in range(3)]

    assert all(cut), "nothing was cut"
    assert [answer.status_code for answer in answers] == [200] * 3


def test_a_command_returns_a_dead_connection_without_an_error(app, mariadb):
    assert db.session.scalar(text("SELECT 1")) == 1
    assert mariadb.cut_connections()

    release()

    assert db.session.scalar(text("SELECT 1")) == 1
