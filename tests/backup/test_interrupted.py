"""Commands killed with SIGKILL in the middle, and started again."""

import re
import signal

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from imapp.database import atomic
from imapp.schemas.base import now
from tests.backup.conftest import epoch_of, rows_of, say, wait_until
from tests.support.crowd_of_rows import fill

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_a_backup_goes_on_with_what_it_has_and_is_of_one_moment(commands, lively, database_url, tmp_path):
    file, folder = tmp_path / "im.zip", tmp_path / "im.zip.partial"
    atomic(fill, lively["group"], lively["bob"], 1_500, now())
    process = commands.start(database_url, "backup", file, "--part-rows", 20)
    wait_until(lambda: len(list(folder.glob("*changes.jsonl.gz.note"))) >= 30, process)
    kill(process)
    assert not file.exists()
    say(lively["ada"], lively["private"], "said after the interruption")

    said = commands.must(database_url, "backup", file, "--part-rows", 20)

    reused = int(re.search(r"(\d+) of them read by the interrupted backup", said)[1])
    assert reused >= 500, "the group has not changed meanwhile"
    assert not folder.exists()
    restored = f"sqlite:///{tmp_path}/restored.db"
    commands.must(restored, "restore", file, "--keep-sessions")
    assert rows_of(restored) == rows_of(database_url)


def test_what_was_altered_after_the_interruption_is_read_again(commands, lively, database_url, tmp_path):
    file, folder = tmp_path / "im.zip", tmp_path / "im.zip.partial"
    process = commands.start(database_url, "backup", file, "--part-rows", 20)
    wait_until(lambda: len(list(folder.glob("*changes.jsonl.gz.note"))) >= 30, process)
    kill(process)
    say(lively["bob"], lively["group"], "in an early conversation")
    say(lively["bob"], lively["private"], "in a late one")

    commands.must(database_url, "backup", file, "--part-rows", 20)

    restored = f"sqlite:///{tmp_path}/restored.db"
    commands.must(restored, "restore", file, "--keep-sessions")
    assert rows_of(restored) == rows_of(database_url)


def test_a_restore_goes_on_where_it_was_killed_and_ends_right(commands, lively, database_url, other_url, tmp_path):
    atomic(fill, lively["group"], lively["bob"], 12_000, now())
    file = tmp_path / "im.zip"
    commands.must(database_url, "backup", file)
    process = commands.start(other_url, "restore", file, "--keep-sessions")
    engine = create_engine(other_url)
    wait_until(lambda: count(engine, "changes") >= 2_000, process)
    kill(process)
    there = count(engine, "changes")
    assert there < 14_500, "it was through"
    assert epoch_of(other_url).startswith("restoring-")

    said = commands.must(other_url, "restore", file, "--keep-sessions")

    assert "Went on" in said
    assert rows_of(other_url) == rows_of(database_url)
    assert not epoch_of(other_url).startswith("restoring-")
    engine.dispose()


def count(engine, table):
    """How many rows there are by now; the table may not be there yet."""
    try:
        with engine.connect() as connection:
            return connection.execute(text(f"SELECT COUNT(*) FROM {table}")).scalar_one()
    except DBAPIError:
        return 0
