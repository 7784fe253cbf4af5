"""Registration, log-in, refresh of tokens and change of password."""

from collections.abc import Mapping
from typing import Literal

from sqlalchemy.orm import Session

from imapp.clock import now
from imapp.cluster import limits
from imapp.database.transactions import atomic
from imapp.errors import (
    AccountDisabledError,
    AccountPendingError,
    AppError,
    BadCredentialsError,
    InvalidUsernameError,
    InvitationRequiredError,
    RegistrationClosedError,
    SessionRevokedError,
    WrongPasswordError,
)
from imapp.extensions import settings
from imapp.logs import get_logger
from imapp.models.sessions import DeviceSession
from imapp.models.users import User
from imapp.schemas.administration import By
from imapp.schemas.sessions import ClientInfo, DeviceIn, LoginIn, PasswordIn, RegisterIn, TokensOut
from imapp.schemas.users import MeOut
from imapp.services import audit_log
from imapp.services.accounts import (
    attempts,
    invitations,
    passwords,
    sessions,
    step_up,
    tokens,
    usernames,
    users,
)
from imapp.services.accounts.authentication import Actor

log = get_logger(__name__)


def register(body: RegisterIn, client: ClientInfo) -> TokensOut:
    """Create an account and log it in.

    Raises InvalidUsernameError, UsernameTakenError, WeakPasswordError, RateLimitedError, BusyError. Depending on
    IM_REGISTRATION, raises RegistrationClosedError, InvitationRequiredError, InvalidInvitationError, or
    AccountPendingError if the account was created but waits for approval.
    """
    limits.hit("register_per_address", limits.address_key(client.ip))
    if settings.registration == "closed":
        raise RegistrationClosedError
    if settings.registration == "invitation":
        if body.invitation is None:
            raise InvitationRequiredError
        invitations.require_usable(body.invitation)
    usernames.require_allowed(body.username)
    fields = _new_account(body.username, body.password, body.nickname)
    if settings.registration == "approval":
        moment = now()
        user = atomic(users.create_user, {**fields, "disabled_at": moment, "pending_since": moment})
        log.info("user_waits_for_approval", user_id=user.id)
        raise AccountPendingError
    token_id = tokens.new_token_id()
    user, row = atomic(_register, fields, token_id, body, client)
    log.info("user_registered", user_id=user.id)
    return _answer(user, row.id, token_id)


def create_account(
    username: str, password: str, nickname: str | None, is_operator: bool, by: By | None = None
) -> MeOut:
    """Create an account on behalf of an operator; raises like `register`, but without its rate limits."""
    usernames.require_allowed(username, may_be_reserved=True)
    fields = {**_new_account(username, password, nickname), "is_operator": is_operator}
    return MeOut.model_validate(atomic(_create_account, fields, by))


def login(body: LoginIn, client: ClientInfo) -> TokensOut:
    """Open a session; raises like `verify`."""
    entry = Entry(verify(body.account, body.password, client), body.password, body.device, client)
    atomic(entry.open)
    entry.close_ended()
    return entry.tokens()


def verify(account: str, password: str, client: ClientInfo, door: str = "chat") -> User:
    """Return the account if the password is right; `door` names the kind of log-in in the rate limits.

    An unknown account and a wrong password get the same answer after the same work. Raises BadCredentialsError,
    AccountPendingError and AccountDisabledError (only if the password is right), RateLimitedError, BusyError.
    """
    try:
        key = usernames.key_of(account)
    except InvalidUsernameError:
        key = ""
    with attempts.counted_login(door, key, client.ip):
        user = users.find_by_key(key) if key else None
        if not passwords.is_correct(password, user.password_hash if user else None) or user is None:
            log.info("login_failed", user_id=user.id if user else None, remote=client.ip)
            raise BadCredentialsError
    limits.hit("logins_per_user", door, user.id)
    if user.pending_since is not None:
        raise AccountPendingError
    if user.disabled_at is not None:
        raise AccountDisabledError
    return user


class Entry:
    """A log-in in progress: the password is verified, the session is not yet open."""

    def __init__(self, user: User, password: str, device: DeviceIn, client: ClientInfo) -> None:
        self.user = user
        self._new_hash = _new_hash(user, password)
        self._token_id = tokens.new_token_id()
        self._device, self._client = device, client
        self._session_id = 0
        self._ended: list[int] = []

    def open(self, session: Session) -> DeviceSession:
        """Insert the session; raises BadCredentialsError when the password has changed. Part of a transaction."""
        user = _unchanged(session, self.user, BadCredentialsError)
        if self._new_hash is not None:
            user.password_hash = self._new_hash
        row, self._ended = sessions.open_session(session, user.id, self._token_id, self._device, self._client)
        self._session_id = row.id
        return row

    def close_ended(self) -> None:
        """Close the sockets of the sessions that were ended to make room; call this after the commit."""
        sessions.close_sockets(self._ended)

    def tokens(self) -> TokensOut:
        """Return the client's tokens; call this after the commit."""
        return _answer(self.user, self._session_id, self._token_id)


def refresh(refresh_token: str, client: ClientInfo) -> TokensOut:
    """Exchange a refresh token for new tokens.

    A repeated refresh with the same token returns the same new tokens for a short while, until they are used. After
    that, reuse of the token means that it has leaked, and the session ends. Raises InvalidTokenError,
    TokenExpiredError, SessionRevokedError, RateLimitedError.
    """
    address = limits.address_key(client.ip)
    try:
        claims = tokens.verify(refresh_token, "refresh")
    except AppError:
        limits.hit("refresh_per_address", address)
        raise
    limits.hit("refresh_per_session", claims.session_id)
    outcome = atomic(_rotate, claims, client)
    if outcome == "reused":
        log.warning(
            "refresh_token_reused", user_id=claims.user_id, session_id=claims.session_id, message="session ended"
        )
        sessions.close_sockets([claims.session_id])
    if isinstance(outcome, str):
        limits.hit("refresh_per_address", address)
        raise SessionRevokedError
    user, token_id = outcome
    return _answer(user, claims.session_id, token_id)


def change_password(actor: Actor, body: PasswordIn) -> None:
    """Set a new password and end the user's other sessions.

    Raises WrongPasswordError, WeakPasswordError, RateLimitedError, BusyError, and like `step_up.require_proof`.
    """
    user = users.get_row(actor.user_id)
    with attempts.counted("password_checks_per_session", "change", actor.session_id):
        if not passwords.is_correct(body.old_password, user.password_hash):
            raise WrongPasswordError
    step_up.require_proof(actor, body.code)
    passwords.require_strong(body.new_password, user.username_key, user.nickname)
    new_hash = passwords.hash_password(body.new_password)
    sessions.close_sockets(atomic(_change_password, user, actor.session_id, new_hash))
    log.info("password_changed", user_id=actor.user_id)


def _new_account(username: str, password: str, nickname: str | None) -> dict[str, str]:
    """Check a new account and return its columns."""
    key = usernames.key_of(username)
    passwords.require_strong(password, key, nickname or "")
    users.require_free(username)
    shown = usernames.shown(username)
    return {
        "username": shown,
        "username_key": key,
        "nickname": nickname or shown,
        "password_hash": passwords.hash_password(password),
    }


def _create_account(session: Session, fields: Mapping[str, object], by: By | None) -> User:
    user = users.create_user(session, fields)
    if by is not None:
        action = "create_operator" if user.is_operator else "create_user"
        audit_log.note(session, by, action, audit_log.target_of(user))
    return user


def _register(
    session: Session, fields: dict[str, str], token_id: str, body: RegisterIn, client: ClientInfo
) -> tuple[User, DeviceSession]:
    if settings.registration == "invitation":
        invitations.spend(session, body.invitation or "")
    user = users.create_user(session, fields)
    row, _ = sessions.open_session(session, user.id, token_id, body.device, client)
    return user, row


def _new_hash(user: User, password: str) -> str | None:
    """Return a hash with the current parameters, or None if the stored hash already has them."""
    return passwords.hash_password(password) if passwords.needs_rehash(user.password_hash) else None


def _unchanged(session: Session, verified: User, refusal: type[AppError]) -> User:
    """Lock the verified account; raise `refusal` if its password has changed since."""
    user = session.get_one(User, verified.id, with_for_update=True)
    if user.password_hash != verified.password_hash:
        raise refusal
    return user


def _rotate(
    session: Session, claims: tokens.Claims, client: ClientInfo
) -> tuple[User, str] | Literal["ended", "reused"]:
    row = session.get(DeviceSession, claims.session_id, with_for_update=True)
    user = session.get(User, claims.user_id)
    if row is None or row.revoked_at or row.expires_at <= now() or user is None or user.disabled_at:
        return "ended"
    token_id = sessions.rotate(row, claims.token_id, client)
    if token_id is None:
        row.revoked_at = now()
        return "reused"
    return user, token_id


def _change_password(session: Session, verified: User, session_id: int, new_hash: str) -> list[int]:
    _unchanged(session, verified, WrongPasswordError).password_hash = new_hash
    return sessions.revoke_all_but(session, verified.id, session_id)


def _answer(user: User, session_id: int, token_id: str) -> TokensOut:
    access_token, refresh_token = tokens.issue_pair(user.id, session_id, token_id)
    return TokensOut(
        user=MeOut.model_validate(user),
        access_token=access_token,
        refresh_token=refresh_token,
        expires_in=settings.access_token_seconds,
    )
