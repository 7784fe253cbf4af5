"""The logged text of a database error contains no user content."""

import logging

import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from imapp.database import statement_batch
from imapp.database.engines import committer_engine
from imapp.database.transactions import writer_turn
from imapp.extensions import db
from imapp.logs.rendering import formatter

SECRET = "it's what she wrote to him"


@pytest.fixture(params=["sqlite", "mariadb"])
def database(request) -> str:
    """Run the tests on both databases."""
    return request.param


def line_of(error, log_format="json"):
    record = logging.LogRecord(
        "imapp", logging.ERROR, __file__, 1, "failed", (), (type(error), error, error.__traceback__)
    )
    return formatter(log_format, "node-1").format(record)


def failing_query():
    db.session.execute(text("SELECT 1 FROM nowhere WHERE content = :content"), {"content": SECRET})


def failing_script():
    with writer_turn(), committer_engine().connect() as connection:
        one = statement_batch.script(connection)
        one.add("SELECT :word FROM nowhere", word=SECRET)
        one.run()


def failing_commit():
    with writer_turn(), committer_engine().connect() as connection:
        one = statement_batch.script(connection)
        one.add("INSERT INTO nowhere VALUES (:word)", word=SECRET)
        one.commit()


def failing_syntax():
    with writer_turn(), committer_engine().connect() as connection:
        one = statement_batch.script(connection)
        one.add("SELECT 1 FROM WHERE :word", word=SECRET)
        one.run()


@pytest.mark.parametrize("fail", [failing_query, failing_script, failing_commit, failing_syntax])
@pytest.mark.parametrize("log_format", ["text", "json"])
def test_no_value_of_a_statement_reaches_the_log(app, fail, log_format):
    with pytest.raises(SQLAlchemyError) as caught:
        fail()

    line = line_of(caught.value, log_format)

    assert type(caught.value).__name__ in line
    assert "nowhere" in line or fail is failing_syntax
    assert "she wrote" not in line


def test_the_line_about_a_duplicate_does_not_have_the_value(app):
    with db.engine.connect() as connection:
        connection.execute(text("CREATE TEMPORARY TABLE said (words VARCHAR(99) PRIMARY KEY)"))
        connection.execute(text("INSERT INTO said VALUES (:words)"), {"words": SECRET})
        with pytest.raises(SQLAlchemyError) as caught:
            connection.execute(text("INSERT INTO said VALUES (:words)"), {"words": SECRET})

    line = line_of(caught.value)

    assert "IntegrityError" in line
    assert "she wrote" not in line
