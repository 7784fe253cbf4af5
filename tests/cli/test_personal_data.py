"""`flask im export-user` and `flask im erase-user`."""

import stat
import zipfile

import orjson
import pytest

from imapp.services.accounts import users
from tests.accounts import register
from tests.backup.conftest import im, sample  # noqa: F401 - fixtures
from tests.support.people import create_users


@pytest.fixture(params=["sqlite", "mariadb"])
def database(request):
    """Return the database of the test: each test runs on both."""
    return request.param


def test_an_export_contains_all_data_of_a_user_and_no_secret(im, sample, client, tmp_path):  # noqa: F811
    register(client, "frank", nickname="Frank")

    result = im("export-user", "Ada", tmp_path / "ada.zip")
    other = im("export-user", "frank", tmp_path / "frank.zip")

    assert (result.exit_code, other.exit_code) == (0, 0), result.output + other.output
    assert stat.S_IMODE((tmp_path / "ada.zip").stat().st_mode) == 0o600
    found = read(tmp_path / "ada.zip")
    assert [one["username"] for one in found["account"]] == ["ada"]
    assert [one["username"] for one in found["contacts"]] == ["bob"]
    assert [one["name"] for one in found["conversations"]] == ["Höhle 🕳", None]
    assert len(found["messages"]) == 2_501
    assert {one["sender_id"] for one in found["messages"]} == {sample["ada"]}
    assert [one["content"] for one in found["edits"]] == [{"text": "你好 👋"}]
    device = read(tmp_path / "frank.zip")["sessions"]
    assert len(device) == 1
    for name in ("ada.zip", "frank.zip"):
        with zipfile.ZipFile(tmp_path / name) as archive:
            everything = b"".join(archive.read(part) for part in archive.namelist() if part != "README.txt")
            documented = archive.read("README.txt").decode()
            assert all(part in documented for part in archive.namelist() if part != "README.txt")
        assert b"hash" not in everything
        assert b"argon2" not in everything


def read(file):
    with zipfile.ZipFile(file) as archive:
        return {
            name.removesuffix(".jsonl"): [orjson.loads(line) for line in archive.read(name).splitlines()]
            for name in archive.namelist()
            if name.endswith(".jsonl")
        }


@pytest.mark.parametrize(
    "command", [("export-user", "nobody", "x.zip"), ("erase-user", "#999", "--yes"), ("erase-user", "1", "--yes")]
)
def test_an_unknown_user_is_reported_in_one_line(im, tmp_path, monkeypatch, command):  # noqa: F811
    monkeypatch.chdir(tmp_path)

    result = im(*command)

    assert result.exit_code == 1
    assert result.output.startswith(("Error: There is no ", "Error: This does not exist"))


def test_an_erasure_needs_confirmation(im, sample):  # noqa: F811
    declined = im("erase-user", "bob", input="n\n")
    done = im("erase-user", f"#{sample['bob']}", "--yes", "--messages", "delete")

    assert declined.exit_code == 1
    assert (done.exit_code, done.output) == (0, f"Erased user {sample['bob']} (bob), 0 messages recalled.\n")
    assert users.get_user(sample["bob"]).nickname == "Deleted user"


def test_a_number_is_taken_as_a_username_and_never_as_an_id(im, sample):  # noqa: F811
    (named,) = create_users("164")
    assert named != 164

    refused = im("erase-user", str(sample["bob"]), "--yes")
    done = im("erase-user", "164", "--yes")

    assert (refused.exit_code, f"write '#{sample['bob']}'" in refused.output) == (1, True)
    assert done.output == f"Erased user {named} (164).\n"
    assert users.get_user(sample["bob"]).nickname != "Deleted user"


def test_erasing_the_owner_of_a_group_is_refused_in_one_line(im, sample):  # noqa: F811
    result = im("erase-user", "ada", "--yes")

    assert result.exit_code == 1
    assert result.output.startswith("Error: Transfer the ownership or dissolve these groups first: Höhle")
    assert im("erase-user", "ada", "--yes", "--transfer-groups").exit_code == 0


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_all_nodes_close_the_sessions_of_an_erased_user_and_push_the_changes(start_nodes, device):
    one, two = start_nodes(2)
    ada, bob = device(one, "ada").connect(), device(two, "bob").connect()
    private = ada.post("/api/conversations", {"user_id": bob.id})["id"]
    sent = ada.send("hello", conversation_id=private)["message"]
    bob.wait_for("message_created")

    two.flask("im", "erase-user", f"#{ada.id}", "--yes", "--messages", "delete")

    bob.wait_for("message_recalled", lambda payload: payload["message"]["id"] == sent["id"])
    bob.wait_for("user_updated", lambda payload: payload["user"]["nickname"] == "Deleted user")
    ada.wait_for("session_ended")
    assert ada.rest("GET", "/api/users/me").status_code == 401
