"""The quick check of run.sh agrees with Alembic, which is too slow to load at each start."""

import subprocess
import sys
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

from imapp.database.revisions import known_revisions
from tests.support.server import ROOT as PROJECT


def alembic_scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(PROJECT / "migrations"))
    return ScriptDirectory.from_config(config)


def check(url: str, folder: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "scripts/check_database.py"],
        cwd=PROJECT,
        env={"DATABASE_URL": url, "IM_DATA_DIR": str(folder)},
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.fixture
def url(request, tmp_path) -> str:
    """Return the URL of an empty database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/imapp.db"
    return request.getfixturevalue("mariadb").create_database()


both = pytest.mark.parametrize("url", ["sqlite", "mariadb"], indirect=True)


def set_revision(url: str, revision: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
        connection.execute(text("INSERT INTO alembic_version VALUES (:revision)"), {"revision": revision})
    engine.dispose()


def test_the_check_knows_the_same_revisions_as_alembic():
    scripts = alembic_scripts()

    known, newest = known_revisions()

    assert newest == scripts.get_current_head()
    assert known == {script.revision for script in scripts.walk_revisions()}


@both
def test_a_database_without_tables_needs_the_upgrade(url, tmp_path):
    answer = check(url, tmp_path)

    assert (answer.returncode, answer.stderr) == (10, "")


@both
def test_a_database_at_the_newest_revision_needs_no_upgrade(url, tmp_path):
    set_revision(url, alembic_scripts().get_current_head())

    answer = check(url, tmp_path)

    assert (answer.returncode, answer.stderr) == (0, "")


@both
def test_a_database_of_a_newer_version_is_refused_in_one_line(url, tmp_path):
    set_revision(url, "9999")

    answer = check(url, tmp_path)

    assert answer.returncode == 7
    assert answer.stderr == "The database is at revision 9999, which this version does not know: is it newer?\n"
