"""The migrations: up, down and up again; the resulting tables match the models."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask_migrate import downgrade, upgrade
from sqlalchemy import inspect, text

from imapp.extensions import Base, db
from tests.support import apps
from tests.support.server import ROOT

DIRECTORY = str(ROOT / "migrations")


@pytest.fixture
def app(bare_url, tmp_path):
    """Provide the app on the empty database."""
    app = apps.make_app(bare_url, tmp_path)
    with app.app_context():
        yield app
    apps.close_app(app)


def tables() -> set[str]:
    return set(inspect(db.engine).get_table_names()) - {"alembic_version"}


def test_up_down_and_up_again(app):
    upgrade(DIRECTORY)
    made = tables()
    downgrade(DIRECTORY, revision="base")
    left = tables()
    upgrade(DIRECTORY)

    assert made == tables() == set(Base.metadata.tables)
    assert left == set()


def test_the_tables_match_the_models(app):
    upgrade(DIRECTORY)

    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_each_database_gets_an_epoch_of_its_own(app):
    upgrade(DIRECTORY)
    with db.engine.connect() as connection:
        first = connection.execute(text("SELECT epoch FROM server_state")).scalar_one()
    downgrade(DIRECTORY, revision="base")
    upgrade(DIRECTORY)
    with db.engine.connect() as connection:
        second = connection.execute(text("SELECT epoch FROM server_state")).scalar_one()

    assert len(first) == 16
    assert first != second


def test_text_of_all_scripts_is_stored_and_names_differ_byte_by_byte(app, bare_url):
    upgrade(DIRECTORY)

    with db.engine.connect() as connection:
        if bare_url.startswith("mysql"):
            rows = connection.execute(
                text("SELECT table_name, table_collation FROM information_schema.tables WHERE table_schema = SCHEMA()")
            )
            collations = {name: collation for name, collation in rows if name != "alembic_version"}
            assert set(collations.values()) == {"utf8mb4_bin"}
        else:
            assert connection.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
            assert connection.execute(text("PRAGMA foreign_keys")).scalar_one() == 1


def test_history_is_read_by_the_primary_key(app, bare_url):
    upgrade(DIRECTORY)
    page = "SELECT * FROM messages WHERE conversation_id = 1 AND seq < 100 ORDER BY seq DESC LIMIT 50"

    with db.engine.connect() as connection:
        if bare_url.startswith("mysql"):
            plan = connection.execute(text("EXPLAIN " + page)).mappings().one()
            assert plan["key"] == "PRIMARY"
            assert "filesort" not in (plan["Extra"] or "")
        else:
            plan = connection.execute(text("EXPLAIN QUERY PLAN " + page)).mappings().one()
            assert "PRIMARY KEY (conversation_id=? AND seq<?)" in plan["detail"]
