"""What opening a connection to the database costs a node."""

import pytest
from sqlalchemy import text

from imapp.database import release
from imapp.extensions import db
from tests.accounts import bearer, register


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


def test_an_answer_is_given_though_the_connection_that_it_was_read_with_has_died(make_app, mariadb):
    app = make_app()
    client = app.test_client()
    ada = register(client, "ada")
    cut = []
    app.after_request_funcs.setdefault(None, []).append(lambda answer: cut.append(mariadb.cut_connections()) or answer)

    answers = [client.get("/api/users/me", headers=bearer(ada)) for _ in range(3)]

    assert all(cut), "nothing was cut"
    assert [answer.status_code for answer in answers] == [200] * 3


def test_a_command_gives_a_dead_connection_back_without_a_word(app, mariadb):
    assert db.session.scalar(text("SELECT 1")) == 1
    assert mariadb.cut_connections()

    release()

    assert db.session.scalar(text("SELECT 1")) == 1
