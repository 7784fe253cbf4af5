"""A backup of one database is restored into another, of the same and of the other kind."""

import gzip
import hashlib
import stat
import zipfile

import orjson
import pytest

from imapp.extensions import db
from imapp.models.sessions import DeviceSession
from imapp.schemas.sync import SyncIn
from imapp.services.messaging import private_conversations
from imapp.services.sync import sync
from tests.accounts import refresh, register
from tests.backup.conftest import epoch_of, rows_of, say
from tests.support import apps
from tests.support.people import create_users


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_restored_database_equals_the_backed_up_one(commands, sample, database_url, other_url, tmp_path):
    file = tmp_path / "im.zip"

    commands.must(database_url, "backup", file, "--part-rows", 700)
    said = commands.must(other_url, "restore", file, "--keep-sessions")

    assert rows_of(other_url) == rows_of(database_url)
    assert epoch_of(other_url) not in {epoch_of(database_url), ""}
    assert epoch_of(other_url) in said


@pytest.mark.slow
def test_the_restored_server_goes_on_with_the_next_numbers(commands, sample, database_url, other_url, tmp_path):
    commands.must(database_url, "backup", tmp_path / "im.zip")
    commands.must(other_url, "restore", tmp_path / "im.zip")

    app = apps.make_app(other_url, tmp_path)
    with app.app_context():
        (new,) = create_users("newcomer")
        conversation, is_new = private_conversations.open_private(new, sample["ada"])
        sent = say(sample["ada"], sample["private"])
        answer = sync.sync(sample["bob"], SyncIn(conversations={sample["private"]: sent["change"] - 1}))
    apps.close_app(app)

    assert new > sample["eve"]
    assert is_new
    assert conversation > max(sample["group"], sample["private"])
    assert (sent["seq"], sent["change"]) == (2_501, 2_501)
    assert [one["message"]["id"] for one in answer["conversations"][0]["changes"] if one["change"] == 2_501]


def test_a_backup_is_readable_by_its_owner_only_and_has_a_manifest(app, im, sample, tmp_path):
    (tmp_path / "backups").mkdir()

    result = im("backup", tmp_path / "backups")

    (file,) = (tmp_path / "backups").iterdir()
    assert result.exit_code == 0, result.output
    assert file.name.startswith("imapp-20")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with zipfile.ZipFile(file) as archive:
        manifest = orjson.loads(archive.read("manifest.json"))
    assert manifest["format"] == 1
    assert manifest["counts"]["messages"] >= 2_500
    assert manifest["database"] == db.engine.dialect.name
    assert {part["table"] for part in manifest["parts"]} >= {"users", "messages", "reactions", "pins", "user_states"}
    assert "server_state" not in manifest["counts"]


def test_a_backup_replaces_an_older_one_of_the_same_name(app, im, sample, tmp_path):
    file = tmp_path / "im.zip"
    im("backup", file)
    say(sample["ada"], sample["group"])

    result = im("backup", file)

    assert result.exit_code == 0, result.output
    assert "is complete" in im("backup", "--verify", file).output
    assert [one.name for one in tmp_path.glob("im.zip*")] == ["im.zip"]


#: Columns that the latest migration added to tables in a backup; the revision before it.
ADDED = {"conversations": {"voices"}, "conversation_members": {"standing"}, "chat_groups": {"link_token"}}
REVISION_BEFORE = "0010"


def of_the_version_before(file):
    """Rewrite the backup as the version before the latest migration would have made it."""
    older = file.with_name("older.zip")
    with zipfile.ZipFile(file) as archive, zipfile.ZipFile(older, "w") as written:
        manifest = orjson.loads(archive.read("manifest.json"))
        manifest["revision"] = REVISION_BEFORE
        kept = {}
        for table in manifest["tables"]:
            added = ADDED.get(table["name"], set())
            kept[table["name"]] = [place for place, name in enumerate(table["columns"]) if name not in added]
            table["columns"] = [table["columns"][place] for place in kept[table["name"]]]
        for part in manifest["parts"]:
            data = archive.read(part["file"])
            if part["table"] in ADDED:
                rows = map(orjson.loads, gzip.decompress(data).splitlines())
                lines = [orjson.dumps([row[place] for place in kept[part["table"]]]) + b"\n" for row in rows]
                data = gzip.compress(b"".join(lines))
                part["sha256"] = hashlib.sha256(data).hexdigest()
            written.writestr(part["file"], data)
        written.writestr("manifest.json", orjson.dumps(manifest))
    return older


@pytest.mark.slow
def test_a_backup_of_an_older_version_is_brought_up_to_date(commands, sample, database_url, other_url, tmp_path):
    commands.must(database_url, "backup", tmp_path / "im.zip")

    commands.must(other_url, "restore", of_the_version_before(tmp_path / "im.zip"), "--keep-sessions")

    assert rows_of(other_url, ADDED) == rows_of(database_url, ADDED)


@pytest.mark.parametrize("keeps", [False, True], ids=["ended", "kept"])
def test_devices_must_log_in_again_after_a_restore_unless_sessions_are_kept(app, client, im, tmp_path, keeps):
    tokens = register(client, "alice")
    im("backup", tmp_path / "im.zip")
    last = db.session.scalar(db.select(db.func.max(DeviceSession.id)))
    db.session.remove()

    result = im("restore", tmp_path / "im.zip", "--replace", "--yes", *(["--keep-sessions"] if keeps else []))

    assert result.exit_code == 0, result.output
    assert refresh(client, tokens["refresh_token"]).status_code == (200 if keeps else 401)
    again = client.post("/api/auth/login", json={"account": "alice", "password": "correct horse battery"})
    assert again.status_code == 200
    newest = db.session.scalar(db.select(db.func.max(DeviceSession.id)))
    assert newest > last + 1_000, "a token given after the backup would fit a new session"
