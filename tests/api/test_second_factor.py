"""Operators' log-in: password, TOTP, recovery codes, and the limits of an ordinary log-in."""

import re
from datetime import UTC, datetime, timedelta

import pyotp
import pytest
import time_machine

from tests.accounts import (
    PASSWORD,
    admin_login,
    bearer,
    begin_enrolment,
    confirm_enrolment,
    enrol,
    login,
    promote,
    refresh,
    register,
)

MOMENT = datetime(2026, 11, 25, 12, 0, 10, tzinfo=UTC)
STEP = timedelta(seconds=30)


@pytest.fixture
def app(make_app):
    """Create an app with the second factor on."""
    app = make_app(admin_second_factor=True)
    with app.app_context():
        yield app


@pytest.fixture
def clock():
    """Freeze the time; the tests move it."""
    with time_machine.travel(MOMENT, tick=False) as traveller:
        yield traveller


@pytest.fixture
def olga(app, client, clock):
    """Return the tokens of an operator's ordinary log-in."""
    tokens = register(client, "olga")
    promote(app, tokens)
    return tokens


def code_at(secret, moment):
    return pyotp.TOTP(secret).at(moment)


def acts(client, tokens):
    return client.get("/api/admin/acts", headers=bearer(tokens))


def actions(client, tokens):
    return [act["action"] for act in acts(client, tokens).json["items"]]


def problem(answer):
    return answer.status_code, answer.json["code"]


def test_the_first_log_in_requires_enrolment_and_the_next_one_a_code(client, olga, clock):
    first = admin_login(client, "olga")
    enrol(client, "olga")
    second = admin_login(client, "olga")

    assert problem(first) == (403, "second_factor_enrolment_required")
    assert problem(second) == (403, "second_factor_required")


def test_enrolment_shows_the_secret_as_text_uri_and_qr_code(client, olga):
    answer = begin_enrolment(client, "olga")

    assert answer.status_code == 201
    secret = answer.json["secret"]
    assert re.fullmatch(r"[A-Z2-7]{32}", secret)
    assert answer.json["uri"] == f"otpauth://totp/imapp:olga?secret={secret}&issuer=imapp"
    assert re.fullmatch(r"(M\d+ \d+h1v1h-1z)+", answer.json["qr"]["path"])
    assert answer.json["qr"]["size"] > 30


def test_a_confirmed_enrolment_logs_the_operator_in(client, olga):
    _, tokens = enrol(client, "olga")

    assert len(set(tokens["recovery_codes"])) == 10
    assert acts(client, tokens).status_code == 200
    assert actions(client, tokens) == ["second_factor_enrolled"]


def test_a_secret_is_active_only_after_its_first_code(client, olga, clock):
    secret = begin_enrolment(client, "olga").json["secret"]

    wrong = confirm_enrolment(client, "olga", "000000" if code_at(secret, MOMENT) != "000000" else "111111")
    early = admin_login(client, "olga", code_at(secret, MOMENT))

    assert problem(wrong) == (403, "wrong_code")
    assert problem(early) == (403, "second_factor_enrolment_required")


def test_enrolling_again_after_confirmation_fails(client, olga):
    begin_enrolment(client, "olga")
    secret, _ = enrol(client, "olga")

    assert problem(begin_enrolment(client, "olga")) == (409, "second_factor_enrolled")
    assert problem(confirm_enrolment(client, "olga", code_at(secret, MOMENT + STEP))) == (409, "second_factor_enrolled")


def test_a_code_is_accepted_once(client, olga, clock):
    secret, _ = enrol(client, "olga")
    clock.shift(STEP)
    code = code_at(secret, MOMENT + STEP)

    first, again = admin_login(client, "olga", code), admin_login(client, "olga", code)

    assert first.status_code == 200
    assert problem(again) == (403, "wrong_code")


def test_the_code_that_confirmed_the_enrolment_does_not_log_in(client, olga):
    secret, _ = enrol(client, "olga")

    assert problem(admin_login(client, "olga", code_at(secret, MOMENT))) == (403, "wrong_code")


@pytest.mark.parametrize(("steps", "status"), [(-2, 403), (-1, 200), (0, 200), (1, 200), (2, 403)])
def test_clocks_may_differ_by_one_step(client, olga, clock, steps, status):
    secret, _ = enrol(client, "olga")
    clock.shift(10 * STEP)

    answer = admin_login(client, "olga", code_at(secret, MOMENT + (10 + steps) * STEP))

    assert answer.status_code == status


def test_a_code_older_than_an_accepted_one_is_refused(client, olga, clock):
    secret, _ = enrol(client, "olga")
    clock.shift(10 * STEP)
    admin_login(client, "olga", code_at(secret, MOMENT + 11 * STEP))

    assert problem(admin_login(client, "olga", code_at(secret, MOMENT + 10 * STEP))) == (403, "wrong_code")


def test_a_code_may_contain_blanks(client, olga, clock):
    secret, _ = enrol(client, "olga")
    clock.shift(STEP)
    code = code_at(secret, MOMENT + STEP)

    assert admin_login(client, "olga", f" {code[:3]} {code[3:]}").status_code == 200


@pytest.mark.parametrize("code", ["x", "١٢٣٤٥٦", "-", "12345", "1234567", "a" * 40, "'; --"])
def test_a_malformed_code_is_refused_as_wrong(client, olga, code):
    enrol(client, "olga")

    assert problem(admin_login(client, "olga", code)) == (403, "wrong_code")


def test_a_recovery_code_replaces_a_code_once(client, olga):
    _, tokens = enrol(client, "olga")
    code = tokens["recovery_codes"][3]

    first, again = admin_login(client, "olga", code.upper()), admin_login(client, "olga", code)

    assert first.status_code == 200
    assert problem(again) == (403, "wrong_code")
    assert admin_login(client, "olga", tokens["recovery_codes"][4]).status_code == 200
    assert actions(client, first.json)[:3] == [
        "login_with_recovery_code", "second_factor_refused", "login_with_recovery_code",
    ]  # fmt: skip


def test_another_operators_recovery_code_is_refused(app, client, olga):
    promote(app, register(client, "oleg"))
    enrol(client, "oleg")
    _, tokens = enrol(client, "olga")

    assert problem(admin_login(client, "oleg", tokens["recovery_codes"][0])) == (403, "wrong_code")
    assert admin_login(client, "olga", tokens["recovery_codes"][0]).status_code == 200


def test_guesses_of_codes_are_rate_limited(make_app, clock):
    app = make_app(admin_second_factor=True, rate_limits=True)
    client = app.test_client()
    promote(app, register(client, "olga"))
    secret, _ = enrol(client, "olga")
    clock.shift(2 * STEP)

    refused = [admin_login(client, "olga", "x") for _ in range(5)]
    locked = admin_login(client, "olga", code_at(secret, MOMENT + 2 * STEP))

    assert {problem(answer) for answer in refused[:4]} == {(403, "wrong_code")}
    assert problem(locked) == (429, "rate_limited")
    assert int(locked.headers["Retry-After"]) > 0


def test_the_password_is_checked_before_the_code(client, olga):
    secret, _ = enrol(client, "olga")

    for answer in (
        admin_login(client, "olga", code_at(secret, MOMENT + STEP), password="another one"),
        admin_login(client, "nobody", "123456"),
        begin_enrolment(client, "olga", password="another one"),
        confirm_enrolment(client, "olga", "123456", password="another one"),
    ):
        assert problem(answer) == (401, "bad_credentials")


def test_a_plain_user_cannot_log_in_as_an_operator(client, olga):
    register(client, "eve")

    for answer in (
        admin_login(client, "eve"), begin_enrolment(client, "eve"), confirm_enrolment(client, "eve", "123456")
    ):  # fmt: skip
        assert problem(answer) == (403, "forbidden")


def test_an_ordinary_log_in_gives_no_operator_access(client, olga):
    before = acts(client, olga)
    enrol(client, "olga")
    after = acts(client, login(client, "olga").json)

    assert problem(before) == (403, "second_factor_enrolment_required")
    assert problem(after) == (403, "second_factor_required")


def test_statistics_need_no_second_factor(make_app):
    app = make_app(admin_second_factor=True)
    client = app.test_client()
    tokens = register(client, "olga")
    promote(app, tokens)

    assert client.get("/api/stats/online", headers=bearer(tokens)).status_code == 200


def test_the_second_factor_is_valid_across_refreshes_until_it_expires(client, olga, clock):
    _, tokens = enrol(client, "olga")

    clock.shift(timedelta(hours=11))
    tokens = refresh(client, tokens["refresh_token"]).json
    assert acts(client, tokens).status_code == 200
    clock.shift(timedelta(hours=1, seconds=1))
    tokens = refresh(client, tokens["refresh_token"]).json

    assert problem(acts(client, tokens)) == (403, "second_factor_required")


def test_the_second_factor_can_be_switched_off(make_app):
    client = (app := make_app(admin_second_factor=False)).test_client()
    tokens = register(client, "olga")
    promote(app, tokens)

    assert acts(client, tokens).status_code == 200
    assert acts(client, admin_login(client, "olga").json).status_code == 200


def test_database_and_log_contain_neither_secret_nor_codes(app, client, olga, caplog):
    from imapp.extensions import db  # needs the context

    caplog.set_level("DEBUG")
    secret, tokens = enrol(client, "olga")
    admin_login(client, "olga", tokens["recovery_codes"][0])
    admin_login(client, "olga", "654321")

    dump = str([list(db.session.execute(table.select())) for table in db.metadata.sorted_tables]) + caplog.text
    for hidden in (secret, *tokens["recovery_codes"], tokens["recovery_codes"][1].replace("-", ""), "654321", PASSWORD):
        assert hidden not in dump


def test_a_secret_survives_a_key_rotation_and_is_reencrypted_at_log_in(make_app, clock):
    old, new = "o" * 32, "n" * 32
    app = make_app(admin_second_factor=True, secret_key=old)
    client = app.test_client()
    promote(app, register(client, "olga"))
    secret, _ = enrol(client, "olga")
    steps = [MOMENT + number * STEP for number in (1, 2, 3)]

    answers = []
    for moment, keys in zip(
        steps, [{"secret_key": new, "secret_key_previous": old}, {"secret_key": new}, {"secret_key": old}], strict=True
    ):
        clock.move_to(moment)
        answers.append(
            admin_login(make_app(admin_second_factor=True, **keys).test_client(), "olga", code_at(secret, moment))
        )

    assert [answer.status_code for answer in answers] == [200, 200, 409]
    assert answers[2].json["code"] == "second_factor_unreadable"


def test_the_command_line_resets_the_second_factor_and_locks_its_sessions(app, client, olga):
    _, tokens = enrol(client, "olga")

    result = app.test_cli_runner().invoke(args=["im", "reset-second-factor", "Olga"])

    assert (result.exit_code, result.output) == (0, "The second factor of Olga is deleted.\n")
    assert problem(acts(client, tokens)) == (403, "second_factor_enrolment_required")
    assert problem(admin_login(client, "olga", tokens["recovery_codes"][0])) == (
        403,
        "second_factor_enrolment_required",
    )
    _, again = enrol(client, "olga")
    latest = acts(client, again).json["items"][1]
    assert (latest["action"], latest["target"], latest["user_id"], latest["ip"]) == (
        "second_factor_reset", "user:1 olga", None, "",
    )  # fmt: skip
    assert latest["name"].startswith("cli:")


def test_resetting_the_second_factor_of_an_unknown_user_fails_with_one_line(app):
    result = app.test_cli_runner().invoke(args=["im", "reset-second-factor", "nobody"])

    assert (result.exit_code, result.output) == (1, "Error: There is no user named nobody.\n")
