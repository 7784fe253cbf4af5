"""Operators' log-in: password, then the second factor. The session stores the time at which the factor was proved."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.orm import Session

from imapp.clock import now
from imapp.database.transactions import atomic
from imapp.errors import ForbiddenError, SecondFactorRequiredError, WrongCodeError
from imapp.extensions import settings
from imapp.logs import get_logger
from imapp.models.users import User
from imapp.schemas.administration import By
from imapp.schemas.second_factor import AdminLoginIn, ConfirmationIn, EnrolledOut, EnrolmentIn, EnrolmentOut
from imapp.schemas.sessions import ClientInfo, LoginIn, TokensOut
from imapp.services import audit_log
from imapp.services.accounts import attempts, authentication, identity, second_factor, users
from imapp.services.accounts.identity import Entry

log = get_logger(__name__)

T = TypeVar("T")

#: Checks and uses up the second factor in the transaction of the log-in; returns None to refuse.
Proof = Callable[[Session], T | None]


def login(body: AdminLoginIn, client: ClientInfo) -> TokensOut:
    """Open a session with operator rights.

    Raises the errors of identity.login, ForbiddenError if the user is not an operator and, if the settings require a
    second factor, SecondFactorEnrolmentRequiredError, SecondFactorRequiredError, WrongCodeError.
    """
    user = _operator(body, client)
    if not settings.admin_second_factor:
        entry, _ = _enter(user, body, client, lambda _session: "login")
        return entry.tokens()
    if body.code is None:
        authentication.require_enrolled(user.id)
        raise SecondFactorRequiredError
    code = body.code
    with attempts.counted("second_factor_per_account", user.id):
        entry, _ = _enter(user, body, client, lambda session: second_factor.accept(session, user.id, code))
    return entry.tokens()


def begin_enrolment(body: EnrolmentIn, client: ClientInfo) -> EnrolmentOut:
    """Return a new secret, to be confirmed, for an operator without a second factor.

    Raises the errors of `login`, and SecondFactorEnrolledError.
    """
    user = _operator(body, client)
    return atomic(second_factor.begin, user)


def confirm_enrolment(body: ConfirmationIn, client: ClientInfo) -> EnrolledOut:
    """Activate the secret with its first code and log in. Raises WrongCodeError and the errors of `begin_enrolment`."""
    user = _operator(body, client)
    with attempts.counted("second_factor_per_account", user.id):
        entry, recovery = _enter(user, body, client, lambda session: second_factor.confirm(session, user.id, body.code))
    return EnrolledOut(**entry.tokens().model_dump(), recovery_codes=recovery)


def reset_second_factor(username: str, by: By) -> None:
    """Delete an operator's second factor; the next log-in requires a new enrolment. Raises NotFoundError."""
    atomic(_reset, users.find_named(username), by)


def _operator(body: LoginIn | EnrolmentIn, client: ClientInfo) -> User:
    user = identity.verify(body.account, body.password, client, door="admin")
    if not user.is_operator:
        raise ForbiddenError
    return user


def _enter(user: User, body: LoginIn, client: ClientInfo, proof: Proof[T]) -> tuple[Entry, T]:
    """Open a session if the proof is valid; otherwise log the refusal as an act and raise WrongCodeError."""
    entry = Entry(user, body.password, body.device, client)
    proved = atomic(_prove_and_enter, entry, By(user.id, client.ip), proof)
    if proved is None:
        log.warning("second_factor_refused", user_id=user.id)
        raise WrongCodeError
    entry.close_ended()
    return entry, proved


def _prove_and_enter(session: Session, entry: Entry, by: By, proof: Proof[T]) -> T | None:
    proved = proof(session)
    if proved is None:
        audit_log.note(session, by, "second_factor_refused")
        return None
    row = entry.open(session)
    row.second_factor_at = now() if settings.admin_second_factor else None
    if isinstance(proved, list):  # recovery codes and enrolments have names of their own in the log of acts
        action = "second_factor_enrolled"
    else:
        action = "login_with_recovery_code" if proved == "recovery code" else "login"
    audit_log.note(session, by, action)
    return proved


def _reset(session: Session, user: User, by: By) -> None:
    second_factor.remove(session, user.id)
    audit_log.note(session, by, "second_factor_reset", audit_log.target_of(user))
