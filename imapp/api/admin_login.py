"""Operators' log-in over REST: password and second factor."""

from flask import Blueprint

from imapp.api.http.caller import current_client
from imapp.api.http.endpoint import endpoint
from imapp.errors import (
    AccountPendingError,
    BadCredentialsError,
    ForbiddenError,
    SecondFactorEnrolledError,
    SecondFactorEnrolmentRequiredError,
    SecondFactorRequiredError,
    SecondFactorUnreadableError,
    WrongCodeError,
)
from imapp.schemas.second_factor import AdminLoginIn, ConfirmationIn, EnrolledOut, EnrolmentIn, EnrolmentOut
from imapp.schemas.sessions import TokensOut
from imapp.services.accounts import admin_login

bp = Blueprint("admin_login", __name__, url_prefix="/api/admin")


@bp.post("/login")
@endpoint(
    public=True,
    errors=[
        BadCredentialsError,
        AccountPendingError,
        ForbiddenError,
        SecondFactorRequiredError,
        SecondFactorEnrolmentRequiredError,
        WrongCodeError,
        SecondFactorUnreadableError,
    ],
)
def login(body: AdminLoginIn) -> TokensOut:
    """Log in as an operator, with password and second factor."""
    return admin_login.login(body, current_client())


@bp.post("/second-factor")
@endpoint(
    201, public=True, errors=[BadCredentialsError, AccountPendingError, ForbiddenError, SecondFactorEnrolledError]
)
def begin_enrolment(body: EnrolmentIn) -> EnrolmentOut:
    """Create the secret of a second factor; it takes effect once it is confirmed."""
    return admin_login.begin_enrolment(body, current_client())


@bp.post("/second-factor/confirm")
@endpoint(
    public=True,
    errors=[BadCredentialsError, AccountPendingError, ForbiddenError, WrongCodeError, SecondFactorEnrolledError],
)
def confirm_enrolment(body: ConfirmationIn) -> EnrolledOut:
    """Confirm the secret with a code, get recovery codes, and log in."""
    return admin_login.confirm_enrolment(body, current_client())
