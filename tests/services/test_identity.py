"""Accounts and sessions on both databases: the outcome of simultaneous calls, and the cost of searches."""

import threading
from datetime import UTC, datetime

import pytest
import time_machine
from argon2 import PasswordHasher
from sqlalchemy import event, func, select, update
from sqlalchemy.exc import DBAPIError

from imapp.database.transactions import atomic
from imapp.errors import (
    AppError,
    BadCredentialsError,
    InvalidUsernameError,
    SessionRevokedError,
    UnavailableError,
    UsernameTakenError,
    WrongPasswordError,
)
from imapp.extensions import db
from imapp.models.sessions import DeviceSession
from imapp.models.users import User
from imapp.schemas.sessions import ClientInfo, LoginIn, PasswordIn, RegisterIn
from imapp.schemas.users import ProfileIn, UsersQuery
from imapp.services import bench_users
from imapp.services.accounts import authentication, identity, profiles, sessions, tokens, users
from tests.accounts import PASSWORD
from tests.support.people import at_once

ALIVE = DeviceSession.revoked_at.is_(None)
CLIENT = ClientInfo(ip="2001:db8::1", user_agent="tests")


@pytest.fixture
def statements(app):
    """Record the statements that reach the database, with their parameters."""
    seen = []

    def note(_connection, _cursor, statement, parameters, _context, _many):
        seen.append((statement, parameters))

    event.listen(db.engine, "before_cursor_execute", note)
    yield seen
    event.remove(db.engine, "before_cursor_execute", note)


def plans(statements):
    """Return the database's query plans of the statements."""
    explain = "EXPLAIN QUERY PLAN " if db.engine.dialect.name == "sqlite" else "EXPLAIN "
    with db.engine.connect() as connection:
        return [
            [tuple(row) for row in connection.exec_driver_sql(explain + statement, parameters)]
            for statement, parameters in list(statements)
        ]


def register(name, **extra):
    return identity.register(RegisterIn(username=name, password=PASSWORD, **extra), CLIENT)


def login(name, password=PASSWORD):
    return identity.login(LoginIn(account=name, password=password), CLIENT)


def actor(answer):
    return authentication.authenticate(answer.access_token)


def count(model, *where):
    return db.session.scalar(select(func.count()).select_from(model).where(*where))


def found(query, limit=20):
    return [user.username for user in users.search(1, UsersQuery(query=query, limit=limit)).items]


def test_one_name_registered_many_times_at_once_becomes_one_account(app):
    names = ["Alice", "alice", "ALICE", "aLICE"]

    outcomes = at_once(app, *[lambda name=name: register(name) for name in names])

    refused = [outcome for outcome in outcomes if isinstance(outcome, UsernameTakenError)]
    assert len(refused) == 3
    assert count(User) == 1


def refresh(answer):
    return identity.refresh(answer.refresh_token, CLIENT)


def test_simultaneous_uses_of_a_refresh_token_all_get_working_tokens(app):
    first = register("alice")

    outcomes = at_once(app, *[lambda: refresh(first)] * 4)

    assert not [outcome for outcome in outcomes if isinstance(outcome, AppError)]
    assert {actor(outcome).session_id for outcome in outcomes} == {actor(first).session_id}
    assert actor(refresh(outcomes[0])).session_id == actor(first).session_id


def test_a_refresh_with_a_lost_answer_can_be_repeated(app):
    first = register("alice")
    refresh(first)

    second = refresh(first)

    assert actor(second).session_id == actor(first).session_id
    assert actor(refresh(second)).session_id == actor(first).session_id


@pytest.mark.parametrize("is_stored", [True, False], ids=["stored", "not stored"])
def test_a_refresh_of_unknown_outcome_can_be_repeated(app, monkeypatch, is_stored):
    first = register("alice")
    dialect = db.engine.dialect
    commit = dialect.do_commit

    def break_at_commit(connection):
        if is_stored:
            commit(connection)
        raise dialect.loaded_dbapi.OperationalError(2013, "Lost connection during query")

    with monkeypatch.context() as patch:
        patch.setattr(dialect, "do_commit", break_at_commit)
        patch.setattr(dialect, "is_disconnect", lambda *_args: True)
        with pytest.raises((DBAPIError, UnavailableError)):
            refresh(first)

    second = refresh(first)

    assert actor(second).session_id == actor(first).session_id
    assert actor(refresh(second)).session_id == actor(first).session_id


@pytest.mark.parametrize("use", [actor, refresh], ids=["access token", "refresh token"])
def test_reuse_of_a_rotated_token_ends_the_session_once_its_answer_was_used(app, use):
    first = register("alice")
    second = refresh(first)
    use(second)

    with pytest.raises(SessionRevokedError):
        refresh(first)

    with pytest.raises(SessionRevokedError):
        actor(second)


def test_using_the_old_access_token_does_not_confirm_the_new_tokens(app):
    first = register("alice")
    refresh(first)
    actor(first)

    assert actor(refresh(first)).user_id == first.user.id


def test_reuse_after_the_retry_window_ends_the_session_and_retries_do_not_extend_the_window(app):
    with time_machine.travel(datetime(2030, 1, 1, tzinfo=UTC), tick=False) as clock:
        first = register("alice")
        refresh(first)
        clock.shift(59)
        second = refresh(first)
        clock.shift(1)

        with pytest.raises(SessionRevokedError):
            refresh(first)
        with pytest.raises(SessionRevokedError):
            actor(second)


def test_without_a_retry_window_every_reuse_ends_the_session(make_app):
    with make_app(refresh_retry_seconds=0).app_context():
        first = register("alice")
        refresh(first)

        with pytest.raises(SessionRevokedError):
            refresh(first)


def test_nodes_agree_on_whether_the_new_tokens_were_used(make_app):
    here, there = make_app(node_id="node-1"), make_app(node_id="node-2")
    with here.app_context():
        first = register("alice")
        refresh(first)
    with there.app_context():
        second = refresh(first)
        actor(second)

    with here.app_context(), pytest.raises(SessionRevokedError):
        refresh(first)


def test_only_the_first_use_of_new_tokens_writes(app, statements):
    second = refresh(register("alice"))
    actor(second)
    statements.clear()

    actor(second)

    assert len(statements) == 1


def test_simultaneous_log_ins_create_one_session_each(app):
    alice = actor(register("alice"))

    outcomes = at_once(app, *[lambda: login("alice")] * 6)

    assert not [outcome for outcome in outcomes if isinstance(outcome, AppError)]
    assert len({actor(outcome).session_id for outcome in outcomes}) == 6
    assert len(sessions.list_sessions(alice.user_id, alice.session_id).items) == 7


def test_a_log_in_deletes_only_the_users_own_ended_sessions(app):
    alice, bob = actor(register("alice")), actor(register("bob"))
    sessions.revoke_session(alice.user_id, alice.session_id)
    sessions.revoke_session(bob.user_id, bob.session_id)

    login("alice")

    assert count(DeviceSession, DeviceSession.user_id == alice.user_id) == 1
    assert count(DeviceSession, DeviceSession.user_id == bob.user_id) == 1


def test_a_log_in_beyond_the_session_limit_ends_the_least_recently_used_session(app, monkeypatch):
    monkeypatch.setattr(sessions, "MAX_SESSIONS", 3)
    with time_machine.travel(datetime(2030, 1, 1, tzinfo=UTC), tick=False) as clock:
        phone, tablet = register("alice"), login("alice")
        for answer in (phone, tablet):
            clock.shift(1)
            actor(answer)
        scripts = []
        for _ in range(5):
            clock.shift(1)
            scripts.append(login("alice"))
            actor(phone)
        assert actor(phone)
        assert actor(tablet)
        clock.shift(1)
        actor(scripts[-1])

        used = login("alice")

        assert actor(used)
        assert actor(scripts[-1])
        assert actor(tablet)
        with pytest.raises(SessionRevokedError):
            actor(phone)


def test_no_database_connection_is_held_while_a_password_is_hashed(app, monkeypatch):
    register("alice")
    seen = []
    verify = PasswordHasher.verify

    def look(self, *arguments):
        seen.append(db.engine.pool.checkedout())
        return verify(self, *arguments)

    monkeypatch.setattr(PasswordHasher, "verify", look)
    login("alice")

    assert seen == [0]


def test_the_id_of_a_deleted_session_is_not_reused(app):
    first = actor(register("alice"))
    sessions.revoke_session(first.user_id, first.session_id)

    second = actor(login("alice"))

    assert second.session_id > first.session_id


def test_authenticating_costs_one_query_by_primary_key(app, statements):
    answer = register("alice")
    actor(answer)
    statements.clear()

    actor(answer)

    assert len(statements) == 1
    if db.engine.dialect.name == "sqlite":
        assert ["SEARCH" in str(step) for step in plans(statements)[0]] == [True, True]
    else:
        assert [step[3] for step in plans(statements)[0]] == ["const", "const"]


def test_of_two_simultaneous_password_changes_one_succeeds_and_one_device_stays(app):
    devices = [actor(register("alice")), actor(login("alice"))]

    def change(device, password):
        body = PasswordIn(old_password=PASSWORD, new_password=password)
        return identity.change_password(device, body)

    outcomes = at_once(
        app, lambda: change(devices[0], "first new phrase"), lambda: change(devices[1], "other new phrase")
    )

    works = []
    for password in (PASSWORD, "first new phrase", "other new phrase"):
        try:
            works.append(login("alice", password))
        except AppError:
            continue
    assert len(works) == 1
    assert [type(outcome) for outcome in outcomes if outcome is not None] == [WrongPasswordError]
    left = [device for device in devices if count(DeviceSession, DeviceSession.id == device.session_id, ALIVE)]
    assert len(left) == 1


def test_a_log_in_is_refused_if_the_password_changes_during_the_hash(app, monkeypatch):
    alice = actor(register("alice"))
    body = PasswordIn(old_password=PASSWORD, new_password="another passphrase")
    verify = PasswordHasher.verify
    overtaken = threading.Event()

    def slow(self, stored, password):
        result = verify(self, stored, password)
        if not overtaken.is_set():
            overtaken.set()
            identity.change_password(alice, body)
        return result

    monkeypatch.setattr(PasswordHasher, "verify", slow)

    with pytest.raises(BadCredentialsError):
        login("alice")


@pytest.mark.parametrize("name", ["Ünal", "ÜNAL", "ünal", "U\u0308nal"])
def test_usernames_compare_by_their_profile_and_not_by_the_databases_rules(app, name):
    register("ünal")

    with pytest.raises(UsernameTakenError):
        register(name)
    assert register("unal").user.username == "unal"


@pytest.mark.parametrize("name", ["aIice", "a1ice", "\u0430lice"])
def test_a_username_that_looks_like_an_existing_one_is_taken(app, name):
    register("alice")

    with pytest.raises((UsernameTakenError, InvalidUsernameError)):
        register(name)
    with pytest.raises(UsernameTakenError):
        register("ALICE")


def test_usernames_that_look_alike_registered_at_once_become_one_account(app):
    outcomes = at_once(app, *[lambda name=name: register(name) for name in ("coco", "\u0441\u043e\u0441\u043e")])

    assert [type(one) for one in outcomes if isinstance(one, AppError)] == [UsernameTakenError]


def test_an_account_older_than_the_username_rules_can_log_in(app):
    register("alice")

    def rename(session):
        session.execute(update(User).values(username="164", username_key="164", name_digest=None))

    atomic(rename)

    assert login("164").user.username == "164"


def test_names_beyond_the_basic_multilingual_plane_are_stored_and_found(app):
    register("𠜎𠜱", nickname="🐎🔋")

    assert found("𠜎") == ["𠜎𠜱"]
    assert found("🐎") == ["𠜎𠜱"]
    assert login("𠜎𠜱").user.nickname == "🐎🔋"


def test_search_matches_prefixes_literally_whatever_the_databases_collation(app):
    for name, nickname in [("alice", "Älice"), ("albert", "Zed"), ("bob", "ALFRED"), ("carol", "al%")]:
        register(name, nickname=nickname)

    assert found("al") == ["albert", "alice", "carol", "bob"]
    assert found("AL%") == ["carol"]
    assert found("älice") == ["alice"]
    assert found("Alice") == ["alice"]


def test_search_reads_index_ranges(app, statements):
    bench_users.load(300, 0, 1)
    register("alice", nickname="Rabbit")
    statements.clear()

    assert found("rab") == ["alice"]

    assert len(statements) == 2
    by_username, by_nickname = plans(statements)
    if db.engine.dialect.name == "sqlite":
        assert "username_key>?" in str(by_username)
        assert "ix_users_nickname_key_id (nickname_key>?" in str(by_nickname)
        assert "TEMP B-TREE" not in str(by_username) + str(by_nickname)
    else:
        assert (by_username[0][3], by_username[0][5]) == ("range", "uq_users_username_key")
        assert (by_nickname[0][3], by_nickname[0][5]) == ("range", "ix_users_nickname_key_id")


def test_a_profile_update_changes_only_the_given_fields(app):
    alice = actor(register("alice", nickname="Alice"))

    profiles.update_me(alice.user_id, ProfileIn(bio="in W."))

    profile = users.get_me(alice.user_id)
    assert (profile.nickname, profile.bio) == ("Alice", "in W.")


def test_a_fixture_is_loaded_in_bulk(app):
    lines = bench_users.load(1200, 3, 500)

    assert len(lines) == 1200
    assert count(User) == 1200
    token, user_id, group_id = lines[-1].split()
    assert authentication.authenticate(token).user_id == int(user_id)
    assert group_id != "-"


def test_access_token_lifetime_follows_the_settings(make_app):
    with make_app(access_token_seconds=60).app_context():
        answer = register("alice")

        left = tokens.verify(answer.access_token, "access").expires_at - actor(answer).expires_at

        assert (answer.expires_in, left.total_seconds()) == (60, 0)
