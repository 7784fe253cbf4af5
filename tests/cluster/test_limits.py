"""Rate limits: which calls count, by which key, and when the next call is allowed."""

import pytest
import time_machine

from imapp.cluster import limits
from imapp.errors import RateLimitedError
from tests.accounts import PASSWORD, admin_login, bearer, login, refresh, register


@pytest.fixture
def limited(make_app):
    """Create an app with small limits."""
    return make_app(
        rate_limits=True,
        rate_login_per_account_and_address="3/minute",
        rate_login_per_account="5/hour",
        rate_password_checks_per_session="3/minute",
        rate_refresh_per_session="4/minute",
        rate_login_per_address="6/minute",
        rate_register_per_address="2/minute",
        rate_refresh_per_address="2/minute",
        rate_search_per_user="2/second;3/minute",
        rate_commands_per_user="20/minute",
    )


def test_a_call_beyond_the_limit_is_refused_with_the_time_to_wait(limited):
    with limited.app_context(), time_machine.travel(1_800_000_000, tick=False):
        limits.hit("search_per_user", 1)
        limits.hit("search_per_user", 1)

        with pytest.raises(RateLimitedError) as refusal:
            limits.hit("search_per_user", 1)

    assert 0 < refusal.value.retry_after <= 2


def test_each_key_has_its_own_count(limited):
    with limited.app_context():
        for user_id in range(10):
            limits.hit("search_per_user", user_id)


def test_every_rule_of_a_limit_counts(limited):
    with limited.app_context(), time_machine.travel(1_800_000_000, tick=False) as clock:
        for _ in range(3):
            limits.hit("search_per_user", 1)
            clock.shift(3)

        with pytest.raises(RateLimitedError) as refusal:
            limits.hit("search_per_user", 1)

    assert 3 < refusal.value.retry_after <= 120


def test_calls_are_allowed_again_after_the_wait(limited):
    with limited.app_context(), time_machine.travel(1_800_000_000, tick=False) as clock:
        for _ in range(3):
            limits.hit("login_per_account_and_address", "alice")
        clock.shift(121)

        limits.hit("login_per_account_and_address", "alice")


def test_a_use_taken_back_does_not_count(limited):
    with limited.app_context():
        for _ in range(10):
            limits.hit("search_per_user", 1)
            limits.take_back("search_per_user", 1)


def test_all_limits_can_be_switched_off(make_app):
    with make_app(rate_limits=False, rate_search_per_user="1/minute").app_context():
        for _ in range(50):
            limits.hit("search_per_user", 1)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("unix", "unix", True),
    ],
)
def test_an_ipv6_prefix_counts_as_one_address(one, other, same):
    assert (limits.address_key(one) == limits.address_key(other)) is same


def test_log_ins_are_limited_by_account_in_every_spelling(limited):
    client = limited.test_client()
    register(client, "alice")
    for name in ("alice", "ALICE", "Alice"):
        login(client, name, "wrong password")

    answer = login(client, "aLiCe")

    assert (answer.status_code, answer.json["code"]) == (429, "rate_limited")
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.json["retry_after"] > 0


def test_an_unknown_account_is_limited_like_a_known_one(limited):
    client = limited.test_client()

    answers = [login(client, "nobody").status_code for _ in range(4)]

    assert answers == [401, 401, 401, 429]


def test_log_ins_are_limited_by_address_over_all_accounts(limited):
    client = limited.test_client()

    answers = [login(client, f"user{number}").status_code for number in range(7)]

    assert answers == [401] * 6 + [429]


def test_a_client_cannot_choose_its_address_by_a_header(limited):
    client = limited.test_client()

    answers = [
        client.post(
            "/api/auth/login",
            json={"account": f"user{number}", "password": "x"},
            headers={"X-Forwarded-For": f"198.51.100.{number}", "X-Real-IP": f"198.51.100.{number}"},
        ).status_code
        for number in range(7)
    ]

    assert answers == [401] * 6 + [429]


def at(app, ip):
    """Return a client with this address."""
    client = app.test_client()
    client.environ_base["REMOTE_ADDR"] = ip
    return client


def test_failed_log_ins_of_strangers_do_not_lock_the_owner_out(limited):
    home = at(limited, "198.51.100.7")
    alice = register(home, "alice")
    for number in range(12):
        login(at(limited, f"203.0.113.{number}"), "alice", "wrong password")

    body = {"old_password": PASSWORD, "new_password": "another passphrase"}
    refused = login(at(limited, "203.0.113.99"), "alice")
    changed = home.post("/api/auth/password", json=body, headers=bearer(alice))

    assert refused.status_code == 429  # the account has never logged in from this address
    assert login(home, "alice", "another passphrase").status_code == 200
    assert changed.status_code == 204


def test_the_known_address_of_an_account_stays_known_after_a_log_out(limited):
    home = at(limited, "2001:db8:1:2::1")
    alice = register(home, "alice")
    home.post("/api/auth/logout", headers=bearer(alice))
    for number in range(6):
        login(at(limited, f"203.0.113.{number}"), "alice", "wrong password")

    assert login(at(limited, "2001:db8:1:2:9:9:9:9"), "alice").status_code == 200


def test_the_limits_do_not_reveal_whether_an_account_exists(limited):
    register(at(limited, "198.51.100.7"), "alice")

    answers = [
        [login(at(limited, f"203.0.113.{number}"), name, "wrong password").status_code for number in range(8)]
        for name in ("alice", "nobody")
    ]

    assert answers == [[401] * 5 + [429] * 3] * 2


def test_correct_passwords_do_not_count_as_failures(limited):
    client = limited.test_client()
    register(client, "alice")

    assert [login(client, "alice").status_code for _ in range(10)] == [200] * 10


def test_successful_log_ins_have_their_own_limit(make_app):
    client = make_app(rate_limits=True, rate_logins_per_user="2/minute").test_client()
    register(client, "alice")

    assert [login(client, "alice").status_code for _ in range(3)] == [200, 200, 429]


def test_failures_of_others_at_a_shared_address_do_not_lock_a_user_out(limited):
    office = at(limited, "198.51.100.7")
    register(office, "alice")
    for number in range(10):
        login(office, f"user{number}", "wrong password")

    assert login(office, "alice").status_code == 200


def test_user_and_operator_log_ins_have_separate_counts(limited):
    client = limited.test_client()
    register(client, "alice")
    for _ in range(4):
        login(client, "alice", "wrong password")

    answer = admin_login(client, "alice")

    assert (answer.status_code, answer.json["code"]) == (403, "forbidden")


def test_users_behind_one_address_can_all_refresh(limited):
    people = [register(at(limited, f"198.51.100.{number}"), f"user{number}") for number in range(5)]
    office = at(limited, "203.0.113.1")

    answers = [refresh(office, tokens["refresh_token"]).status_code for tokens in people]

    assert answers == [200] * 5


def test_refreshes_of_one_session_are_limited(limited):
    client = limited.test_client()
    token = register(client, "alice")["refresh_token"]
    answers = []
    for _ in range(5):
        answers.append(refresh(client, token))
        token = answers[-1].json.get("refresh_token")

    assert [answer.status_code for answer in answers] == [200] * 4 + [429]


def test_a_wrong_present_password_counts(limited):
    client = limited.test_client()
    alice = register(client, "alice")
    body = {"old_password": "wrong password", "new_password": "another passphrase"}

    answers = [client.post("/api/auth/password", json=body, headers=bearer(alice)).status_code for _ in range(4)]

    assert answers == [403, 403, 403, 429]


def test_registrations_and_refreshes_are_limited_by_address(limited):
    client = limited.test_client()
    tokens = register(client, "alice")
    register(client, "bob")

    third = client.post("/api/auth/register", json={"username": "carol", "password": "correct horse"})
    refreshes = [refresh(client, tokens["access_token"]).status_code for _ in range(3)]

    assert third.status_code == 429
    assert refreshes == [401, 401, 429]


def test_answers_report_the_number_of_remaining_calls(limited):
    client = limited.test_client()
    alice = register(client, "alice")

    answers = [client.get("/api/users/me", headers=bearer(alice)) for _ in range(21)]

    assert {answer.headers["RateLimit-Policy"] for answer in answers} == {'"calls-60s";q=20;w=60'}
    left = [answer.headers["RateLimit"].split(";")[1] for answer in answers]
    assert left == [f"r={count}" for count in [*range(19, -1, -1), 0]]
    assert "RateLimit" not in client.get("/api/config").headers


def test_calls_are_limited_by_user_and_not_by_address(limited):
    client = limited.test_client()
    alice, bob = register(client, "alice"), register(client, "bob")

    answers = [client.get("/api/users/me", headers=bearer(alice)).status_code for _ in range(21)]

    assert answers == [200] * 20 + [429]
    assert client.get("/api/users/me", headers=bearer(bob)).status_code == 200
