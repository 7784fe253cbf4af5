"""The commands of `flask im`."""

import json
import stat

import pytest

from imapp.extensions import db
from imapp.models.conversations import ConversationMember
from imapp.models.groups import Group
from imapp.models.own_state import UserState
from imapp.models.users import User
from imapp.node import node_of
from tests.accounts import login, me


@pytest.fixture
def im(app):
    """Provide `im(*args)`, which runs a command of this app."""

    def run(*args, **options):
        return app.test_cli_runner().invoke(args=["im", *map(str, args)], **options)

    return run


def lines(path):
    return [line.split(" ") for line in path.read_text().splitlines()]


def test_an_account_is_created_with_the_password_from_standard_input(im, client):
    result = im("create-user", "Alice", "--nickname", "Al", "--operator", input="correct horse\n")

    assert (result.exit_code, result.output) == (0, "Created user 1: Alice\n")
    entered = login(client, "alice", "correct horse")
    assert entered.json["user"]["is_operator"]
    assert entered.json["user"]["nickname"] == "Al"


@pytest.mark.parametrize(
    ("name", "password", "why"),
    [("alice", "correct horse", "taken"), ("a b", "correct horse", "letters"), ("bob", "short", "at least 8")],
)
def test_an_invalid_account_is_refused_in_one_line(im, name, password, why):
    im("create-user", "alice", input="correct horse\n")

    result = im("create-user", name, input=f"{password}\n")

    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert why in result.output
    assert result.output.count("\n") == 1


def test_the_effective_settings_are_shown_with_secrets_masked(app, im):
    result = im("settings")

    assert result.exit_code == 0
    assert "IM_GROUP_MEMBER_LIMIT" in result.output
    assert "500" in result.output
    assert node_of(app).settings.database_url in result.output
    assert node_of(app).settings.secret_key not in result.output


def test_statistics_without_a_cluster_fail(im):
    result = im("stats")

    assert (result.exit_code, result.output) == (
        1, "Error: No cluster: REDIS_URL is unset, or Redis does not answer.\n"
    )  # fmt: skip


def test_a_fixture_writes_a_line_with_a_valid_token_for_each_user(im, client, tmp_path):
    out = tmp_path / "tokens"

    result = im("load-fixture", "--users", 30, "--groups", 2, "--group-size", 10, "--out", out)

    assert result.exit_code == 0
    made = lines(out)
    assert len(made) == 30
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    for token, user_id, _ in made:
        assert me(client, {"access_token": token}).json["id"] == int(user_id)
    assert [group != "-" for _, _, group in made] == [True] * 20 + [False] * 10


def test_the_groups_of_a_fixture_are_consistent(app, im, tmp_path):
    im("load-fixture", "--users", 5, "--groups", 3, "--group-size", 4, "--out", tmp_path / "tokens")

    with app.app_context():
        groups = list(db.session.scalars(db.select(Group)))
        members = list(db.session.scalars(db.select(ConversationMember)))
        states = {state.user_id: state.version for state in db.session.scalars(db.select(UserState))}

    assert len(groups) == 3
    for group in groups:
        inside = [member for member in members if member.conversation_id == group.id]
        assert len(inside) == group.member_count == 4
        assert [member.user_id for member in inside if member.role == "owner"] == [group.owner_id]
    for user_id, version in states.items():
        assert sorted(m.version for m in members if m.user_id == user_id) == list(range(1, version + 1))


def test_a_second_fixture_is_added_to_the_first(app, im, tmp_path):
    for name in ("one", "two"):
        assert im("load-fixture", "--users", 3, "--out", tmp_path / name).exit_code == 0

    with app.app_context():
        assert db.session.scalar(db.select(db.func.count()).select_from(User)) == 6
    assert not {line[1] for line in lines(tmp_path / "one")} & {line[1] for line in lines(tmp_path / "two")}


def test_fixture_users_cannot_log_in(im, client, tmp_path):
    im("load-fixture", "--users", 1, "--out", tmp_path / "tokens")

    assert login(client, "fixture-1", "!").status_code == 401


def test_a_fixture_is_refused_in_production(make_app, tmp_path):
    app = make_app(env="production")

    result = app.test_cli_runner().invoke(args=["im", "load-fixture", "--users", "1", "--out", str(tmp_path / "x")])

    assert result.exit_code == 1
    assert "IM_ENV" in result.output
    assert not (tmp_path / "x").exists()


def test_a_group_with_more_members_than_users_is_refused(im, tmp_path):
    result = im("load-fixture", "--users", 2, "--groups", 1, "--group-size", 3, "--out", tmp_path / "x")

    assert result.exit_code == 1
    assert "more members" in result.output


def test_an_unwritable_file_is_reported_in_one_line(im, tmp_path):
    fixture = im("load-fixture", "--users", 1, "--out", tmp_path / "no" / "where")
    document = im("export-openapi", "--out", tmp_path / "no" / "where")

    for result in (fixture, document):
        assert result.exit_code == 1
        assert "No such file or directory" in result.output


def test_the_exported_document_equals_the_served_one(im, client, tmp_path):
    printed = im("export-openapi")
    im("export-openapi", "--out", tmp_path / "openapi.json")

    served = client.get("/api/openapi.json").json
    assert json.loads(printed.output) == served
    assert json.loads((tmp_path / "openapi.json").read_text()) == served
