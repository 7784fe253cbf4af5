"""Password hashing: slow on purpose, hence bounded, off the event loop, and taking equal time for all answers."""

import subprocess
import sys
import textwrap
import threading
import time

import pytest
from argon2 import PasswordHasher

from imapp.errors import BusyError
from imapp.extensions import db
from imapp.models.users import User
from imapp.schemas.sessions import ClientInfo, LoginIn
from imapp.services.accounts import identity, passwords
from imapp.settings import Settings
from tests.accounts import PASSWORD, login, register

CLIENT = ClientInfo(ip="127.0.0.1", user_agent="")


@pytest.fixture
def verifications(monkeypatch):
    """Record the hashes that argon2 verifies, and how many verifications ran at once at most."""
    seen = {"hashes": [], "now": 0, "most": 0}
    lock = threading.Lock()
    verify = PasswordHasher.verify

    def observed(self, stored, password):
        with lock:
            seen["hashes"].append(stored)
            seen["now"] += 1
            seen["most"] = max(seen["most"], seen["now"])
        time.sleep(0.02)
        try:
            return verify(self, stored, password)
        finally:
            with lock:
                seen["now"] -= 1

    monkeypatch.setattr(PasswordHasher, "verify", observed)
    return seen


def stored_hash(app, key):
    with app.app_context():
        return db.session.scalars(db.select(User.password_hash).where(User.username_key == key)).one()


def test_a_password_is_stored_as_argon2id_with_the_parameters_from_the_settings(make_app):
    app = make_app(argon2_memory_kib=128, argon2_time_cost=3, argon2_parallelism=2)

    register(app.test_client(), "alice")

    assert stored_hash(app, "alice").startswith("$argon2id$v=19$m=128,t=3,p=2$")


def test_the_default_parameters_are_those_that_owasp_recommends():
    fresh = Settings(secret_key="k" * 32)

    assert (fresh.argon2_memory_kib, fresh.argon2_time_cost, fresh.argon2_parallelism) == (19_456, 2, 1)


@pytest.mark.parametrize("account", ["alice", "nobody", "not a name", "x" * 300])
def test_every_failed_log_in_runs_one_verification_with_the_same_parameters(client, verifications, account):
    register(client, "alice")

    answer = login(client, account, "wrong password")

    assert answer.json["code"] == "bad_credentials"
    assert [stored.split("$")[1:4] for stored in verifications["hashes"]] == [["argon2id", "v=19", "m=64,t=1,p=1"]]


def test_an_account_without_a_password_cannot_log_in(app, verifications):
    with app.app_context():
        assert not passwords.is_correct("!", passwords.NO_PASSWORD)
        assert not passwords.is_correct("", passwords.NO_PASSWORD)
        assert not passwords.is_correct("anything", "not a hash at all")

    assert len(verifications["hashes"]) == 3


def test_log_in_renews_a_hash_made_with_other_parameters(make_app):
    before, after = make_app(argon2_time_cost=1), make_app(argon2_time_cost=2)
    register(before.test_client(), "alice")

    login(after.test_client(), "alice")

    assert ",t=2," in stored_hash(after, "alice")
    assert login(after.test_client(), "alice").status_code == 200


def test_a_wrong_password_does_not_renew_the_hash(make_app):
    before, after = make_app(argon2_time_cost=1), make_app(argon2_time_cost=2)
    register(before.test_client(), "alice")

    login(after.test_client(), "alice", "wrong password")

    assert ",t=1," in stored_hash(after, "alice")


def test_a_flood_of_log_ins_uses_only_a_few_slots(make_app, verifications):
    app = make_app(argon2_concurrency=2)
    register(app.test_client(), "alice")

    def attempt():
        with app.app_context():
            identity.login(LoginIn(account="alice", password=PASSWORD), CLIENT)

    attempts = [threading.Thread(target=attempt) for _ in range(8)]
    for thread in attempts:
        thread.start()
    for thread in attempts:
        thread.join()

    assert len(verifications["hashes"]) == 8
    assert verifications["most"] == 2


def test_a_log_in_that_gets_no_hashing_slot_in_time_is_answered_busy(app, monkeypatch):
    monkeypatch.setattr(passwords, "_SLOT_SECONDS", 0.01)
    free = threading.Event()

    def occupy():
        with app.app_context(), passwords._slot():
            free.wait(10)

    occupants = [threading.Thread(target=occupy) for _ in range(2)]
    for thread in occupants:
        thread.start()
    try:
        with app.app_context(), pytest.raises(BusyError) as refusal:
            passwords.is_correct("x", None)
    finally:
        free.set()
        for thread in occupants:
            thread.join()

    assert refusal.value.retry_after == 1


@pytest.mark.slow
def test_hashing_does_not_block_the_event_loop(tmp_path):
    """Under gevent, the hash of a log-in, made costly here, must not block the other greenlets."""
    program = textwrap.dedent("""
        from gevent import monkey; monkey.patch_all()
        import gevent, sys, time
        from config import Settings
        from imapp.app import create_app
        from imapp.services.accounts import passwords

        app = create_app(Settings(env="test", secret_key="k" * 32, data_dir=sys.argv[1],
                                  argon2_memory_kib=65_536, argon2_time_cost=6))
        stalls, done = [], False

        def tick():
            while not done:
                before = time.monotonic()
                gevent.sleep(0.005)
                stalls.append(time.monotonic() - before)

        with app.app_context():
            ticker = gevent.spawn(tick)
            gevent.sleep(0)
            before = time.monotonic()
            stored = passwords.hash_password("x" * 20)
            took = time.monotonic() - before
            done = True
            ticker.join()
        print(took, max(stalls), len(stalls))
    """)

    result = subprocess.run(
        [sys.executable, "-c", program, tmp_path], capture_output=True, text=True, timeout=60, check=True
    )

    took, longest_stall, ticks = map(float, result.stdout.split())
    assert took > 0.1
    assert ticks > took / 0.05
    assert longest_stall < took / 2
