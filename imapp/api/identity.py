"""Registration, log-in, refresh, log-out, password over REST."""

from flask import Blueprint

from imapp.api.http.caller import current_client
from imapp.api.http.endpoint import endpoint
from imapp.errors import (
    AccountDisabledError,
    AccountPendingError,
    BadCredentialsError,
    InvalidInvitationError,
    InvalidTokenError,
    InvalidUsernameError,
    InvitationRequiredError,
    RegistrationClosedError,
    SecondFactorEnrolmentRequiredError,
    SecondFactorRequiredError,
    SessionRevokedError,
    UsernameTakenError,
    WeakPasswordError,
    WrongCodeError,
    WrongPasswordError,
)
from imapp.schemas.sessions import LoginIn, PasswordIn, RefreshIn, RegisterIn, TokensOut
from imapp.services.accounts import identity, sessions
from imapp.services.accounts.authentication import Actor

bp = Blueprint("auth", __name__, url_prefix="/api/auth")


@bp.post("/register")
@endpoint(
    201,
    public=True,
    errors=[
        InvalidUsernameError,
        UsernameTakenError,
        WeakPasswordError,
        RegistrationClosedError,
        InvitationRequiredError,
        InvalidInvitationError,
        AccountPendingError,
    ],
    location="/api/users/me",
)
def register(body: RegisterIn) -> TokensOut:
    """Create an account and log it in."""
    return identity.register(body, current_client())


@bp.post("/login")
@endpoint(public=True, errors=[BadCredentialsError, AccountDisabledError, AccountPendingError])
def login(body: LoginIn) -> TokensOut:
    """Log in with username and password."""
    return identity.login(body, current_client())


@bp.post("/refresh")
@endpoint(public=True, errors=[InvalidTokenError, SessionRevokedError])
def refresh(body: RefreshIn) -> TokensOut:
    """Exchange the refresh token for new tokens. The call may be repeated until the new tokens are used."""
    return identity.refresh(body.refresh_token, current_client())


@bp.post("/logout")
@endpoint()
def logout(actor: Actor) -> None:
    """End this session and close its sockets."""
    sessions.revoke_session(actor.user_id, actor.session_id)


@bp.post("/password")
@endpoint(
    errors=[
        WrongPasswordError,
        WeakPasswordError,
        SecondFactorRequiredError,
        SecondFactorEnrolmentRequiredError,
        WrongCodeError,
    ]
)
def change_password(actor: Actor, body: PasswordIn) -> None:
    """Set a new password and end all other sessions."""
    identity.change_password(actor, body)
