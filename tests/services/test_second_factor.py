"""The second factor on both databases when codes arrive simultaneously."""

import time

import pyotp
import pytest
from sqlalchemy import func, select

from imapp.database.transactions import atomic
from imapp.extensions import db
from imapp.models.second_factors import RecoveryCode, SecondFactor
from imapp.models.users import User
from imapp.services.accounts import erasure, second_factor
from tests.support.people import at_once, create_users


@pytest.fixture
def olga(app):
    """Create a user with a confirmed second factor; return id, TOTP and recovery codes."""
    (user_id,) = create_users("olga")
    enrolment = atomic(second_factor.begin, db.session.get(User, user_id))
    totp = pyotp.TOTP(enrolment.secret)
    return user_id, totp, atomic(second_factor.confirm, user_id, totp.now())


def accepted_of_many(app, user_id, code):
    """Return how many of six simultaneous uses of the code are accepted."""
    outcomes = at_once(app, *[lambda: atomic(second_factor.accept, user_id, code)] * 6)
    return sum(outcome is not None for outcome in outcomes)


def test_a_code_used_many_times_at_once_is_accepted_once(app, olga):
    user_id, totp, _ = olga

    assert accepted_of_many(app, user_id, totp.at(int(time.time()) + 30)) == 1


def test_a_recovery_code_used_many_times_at_once_is_accepted_once(app, olga):
    user_id, _, codes = olga

    assert accepted_of_many(app, user_id, codes[0]) == 1
    assert accepted_of_many(app, user_id, codes[1]) == 1


def test_erasing_an_account_deletes_its_second_factor(app, olga):
    user_id, _, _ = olga

    erasure.erase(user_id, "anonymise", transfer_groups=False)

    for table in (SecondFactor, RecoveryCode):
        assert db.session.scalar(select(func.count()).select_from(table)) == 0
