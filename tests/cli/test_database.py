"""Commands on an unusable database fail with one line and without a traceback."""

import pytest

from tests.support import apps
from tests.support.ports import free_port

COMMANDS = [("create-user", "alice"), ("demo",), ("load-fixture", "--users", "1", "--out", "tokens")]


@pytest.fixture
def run_on(tmp_path, monkeypatch):
    """Provide `run_on(url, *command)`: the result of a command on that database."""
    monkeypatch.chdir(tmp_path)
    made = []

    def run(url, *command):
        made.append(apps.make_app(url, tmp_path))
        return made[-1].test_cli_runner().invoke(args=["im", *command], input="correct horse\n")

    yield run
    for app in made:
        apps.close_app(app)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_database_without_tables_is_reported(run_on, tmp_path, mariadb, command):
    for url in (f"sqlite:///{tmp_path}/new.db", mariadb.create_database()):
        result = run_on(url, *command)

        assert result.exit_code == 1
        assert result.output == "Error: The database has no tables: create them with flask db upgrade.\n"


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_an_absent_database_is_reported(run_on, command):
    result = run_on(f"mysql+pymysql://im:secret@127.0.0.1:{free_port()}/im", *command)

    assert result.exit_code == 1
    assert result.output.startswith("Error: The database does not answer: ")
    assert result.output.count("\n") == 1
    assert "secret" not in result.output
