"""Backups that are not restored, and the data that stays untouched then."""

import gzip
import zipfile

import orjson
import pytest
from sqlalchemy import delete, update

from imapp.database.transactions import atomic
from imapp.models.messages import Pin, Reaction
from imapp.models.own_state import ServerState
from imapp.services.backup import backup_format, restores
from imapp.services.backup.backup_format import BackupFile
from tests.accounts import bearer, register
from tests.backup.conftest import epoch_of, rows_of
from tests.support.ports import free_port


@pytest.fixture
def file(app, im, sample, tmp_path):
    """Make a backup of several parts."""
    im("backup", tmp_path / "im.zip", "--part-rows", 400)
    return tmp_path / "im.zip"


@pytest.fixture
def database():
    """Use SQLite alone: the program does the checks, not the database."""
    return "sqlite"


def rewritten(file, change):
    """Copy the backup with each member replaced by `change(name, data)`; None omits the member."""
    copy = file.with_name("changed.zip")
    with zipfile.ZipFile(file) as archive, zipfile.ZipFile(copy, "w") as written:
        for name in archive.namelist():
            data = change(name, archive.read(name))
            if data is not None:
                written.writestr(name, data)
    return copy


def one_byte_off(name, data):
    return data[:100] + bytes([data[100] ^ 1]) + data[101:] if name.endswith("-messages.jsonl.gz") else data


def another_text(name, data):
    if not name.endswith("-messages.jsonl.gz"):
        return data
    return gzip.compress(gzip.decompress(data).replace(b"line 7 ", b"LINE 7 "))


def without_parts(name, data):
    return None if name.endswith("-messages.jsonl.gz") else data


def with_a_part_less(name, data):
    if name != backup_format.MANIFEST:
        return data
    manifest = orjson.loads(data)
    del manifest["parts"][-1]
    return orjson.dumps(manifest)


@pytest.mark.parametrize(
    "change", [one_byte_off, another_text, without_parts, with_a_part_less], ids=lambda change: change.__name__
)
def test_damage_is_found_before_anything_is_changed(im, database_url, file, change):
    before, epoch = rows_of(database_url), epoch_of(database_url)
    damaged = rewritten(file, change)

    checked = im("backup", "--verify", damaged)
    restored = im("restore", damaged, "--replace", "--yes")

    for result in (checked, restored):
        assert result.exit_code == 1
        assert "damaged" in result.output
    assert (rows_of(database_url), epoch_of(database_url)) == (before, epoch)


def test_a_truncated_or_missing_file_is_refused(im, file):
    cut = file.with_name("cut.zip")
    cut.write_bytes(file.read_bytes()[:-500])

    for result in (im("backup", "--verify", cut), im("restore", cut), im("restore", file.with_name("none.zip"))):
        assert result.exit_code == 1
        assert "not a complete backup" in result.output


def test_a_backup_of_a_newer_version_is_refused(im, database_url, file):
    def renumber(name, data):
        return data.replace(b'"revision": "', b'"revision": "9') if name == backup_format.MANIFEST else data

    result = im("restore", rewritten(file, renumber), "--replace", "--yes")

    assert result.exit_code == 1
    assert "newer" in result.output
    assert not epoch_of(database_url).startswith("restoring")


def test_a_newer_format_is_refused(im, file):
    def renumber(name, data):
        return data.replace(b'"format":1', b'"format":2').replace(b'"format": 1', b'"format": 2')

    result = im("backup", "--verify", rewritten(file, renumber))

    assert result.exit_code == 1
    assert "format 2" in result.output


def test_a_database_with_rows_is_not_changed_without_replace(im, database_url, file):
    before = rows_of(database_url)

    result = im("restore", file)
    declined = im("restore", file, "--replace", input="n\n")

    assert (result.exit_code, declined.exit_code) == (1, 1)
    assert "not empty" in result.output
    assert rows_of(database_url) == before


def test_a_running_node_without_redis_is_noticed(start_server, tmp_path):
    server = start_server()

    with pytest.raises(AssertionError, match="Nodes run"):
        server.flask("im", "restore", str(tmp_path / "im.zip"))


def test_running_nodes_of_a_cluster_are_named(start_nodes, tmp_path):
    (node,) = start_nodes(1)
    node.environ["PORT"] = str(free_port())

    with pytest.raises(AssertionError, match=r"Nodes run: node-1\. Stop them first"):
        node.flask("im", "restore", str(tmp_path / "im.zip"))


def test_a_half_restored_database_is_not_served(im, client, database_url, file):
    tokens = register(client, "alice")
    with BackupFile(file) as whole:
        atomic(half, whole)

        assert restores.examine(whole, keep_sessions=False) == "begun"
        assert restores.examine(whole, keep_sessions=True) == "full"
    answer = client.post("/api/sync", json={}, headers=bearer(tokens))
    assert answer.status_code == 503
    assert "being restored" in answer.json["detail"]

    assert "Resumed" in im("restore", file).output
    assert not epoch_of(database_url).startswith("restoring-")


def half(session, whole):
    """Leave the database as a killed restore does."""
    session.execute(update(ServerState).values(epoch=f"restoring-{whole.manifest.id}-end"))
    session.execute(delete(Reaction))
    session.execute(delete(Pin))
