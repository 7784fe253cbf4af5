"""The second factor: TOTP (RFC 6238) by an authenticator app, and recovery codes for the loss of the app.

A code is accepted once: the time step of the latest one is stored, and only a later step is accepted. The secret is
encrypted with a key derived from SECRET_KEY. The former key decrypts it too, and each log-in encrypts it again with
the current one.
"""

import base64
import hmac
import time

import pyotp
import segno
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from imapp.clock import now
from imapp.errors import (
    SecondFactorEnrolledError,
    SecondFactorEnrolmentRequiredError,
    SecondFactorUnreadableError,
)
from imapp.extensions import settings
from imapp.models.second_factors import RecoveryCode, SecondFactor
from imapp.models.sessions import DeviceSession
from imapp.models.users import User
from imapp.schemas.second_factor import EnrolmentOut, QrOut
from imapp.services.accounts import typed_codes

#: The issuer that the authenticator app shows above the code.
_ISSUER = "imapp"

#: Seconds of one time step; all authenticator apps use this value.
_STEP = 30

#: Accepted time steps relative to the current one: clocks differ, and typing takes time.
_WINDOW = (0, -1, 1)

_RECOVERY_CODES = 10

#: White margin around a QR code, in modules; readers need four.
_QUIET = 4


def begin(session: Session, user: User) -> EnrolmentOut:
    """Store a new secret for the user, replacing an unconfirmed one. Part of a transaction.

    Raises SecondFactorEnrolledError.
    """
    row = session.get(SecondFactor, user.id, with_for_update=True)
    if row is not None and row.confirmed_at is not None:
        raise SecondFactorEnrolledError
    secret = pyotp.random_base32()
    row = row or SecondFactor(user_id=user.id, last_counter=0)
    row.secret, row.created_at = _cipher().encrypt(secret.encode()).decode(), now()
    session.add(row)
    uri = pyotp.TOTP(secret).provisioning_uri(name=user.username, issuer_name=_ISSUER)
    return EnrolmentOut(secret=secret, uri=uri, qr=_qr(uri))


def confirm(session: Session, user_id: int, code: str) -> list[str] | None:
    """Confirm a new secret by its first code; return recovery codes, None for a wrong code. Part of a transaction.

    Raises SecondFactorEnrolmentRequiredError, SecondFactorEnrolledError.
    """
    row = _row(session, user_id)
    if row.confirmed_at is not None:
        raise SecondFactorEnrolledError
    if not _spend(row, code):
        return None
    row.confirmed_at = now()
    made = [typed_codes.new_code() for _ in range(_RECOVERY_CODES)]
    session.add_all(RecoveryCode(user_id=user_id, code_hash=typed_codes.hash_of(one)) for one in made)
    return made


def accept(session: Session, user_id: int, code: str) -> str | None:
    """Spend a code; return "code" or "recovery code", or None for an invalid one. Part of a transaction.

    Raises SecondFactorEnrolmentRequiredError, SecondFactorUnreadableError.
    """
    row = _row(session, user_id)
    if row.confirmed_at is None:
        raise SecondFactorEnrolmentRequiredError
    own = delete(RecoveryCode).where(
        RecoveryCode.user_id == user_id, RecoveryCode.code_hash == typed_codes.hash_of(code)
    )
    spent: int = session.execute(own).rowcount  # type: ignore[attr-defined]  # the result of a DELETE has it
    if spent == 1:
        return "recovery code"
    return "code" if _spend(row, code) else None


def remove(session: Session, user_id: int) -> None:
    """Delete the user's second factor; sessions that have proved it lose this status.

    Part of a transaction.
    """
    for table in (RecoveryCode, SecondFactor):
        session.execute(delete(table).where(table.user_id == user_id))
    marked = update(DeviceSession).where(DeviceSession.user_id == user_id)
    session.execute(marked.values(second_factor_at=None))


def _row(session: Session, user_id: int) -> SecondFactor:
    """Return the user's row, locked: of two requests with the same code, the second is refused."""
    row = session.get(SecondFactor, user_id, with_for_update=True)
    if row is None:
        raise SecondFactorEnrolmentRequiredError
    return row


def _spend(row: SecondFactor, code: str) -> bool:
    try:
        row.secret = _cipher().rotate(row.secret).decode()
        secret = _cipher().decrypt(row.secret).decode()
    except InvalidToken:
        raise SecondFactorUnreadableError from None
    counter = _matching_step(secret, typed_codes.plain(code))
    if counter is None or counter <= row.last_counter:
        return False
    row.last_counter = counter
    return True


def _matching_step(secret: str, code: str) -> int | None:
    totp, present = pyotp.TOTP(secret), int(time.time()) // _STEP
    for step in (present + shift for shift in _WINDOW):
        if hmac.compare_digest(totp.generate_otp(step).encode(), code.encode()):
            return step
    return None


def _cipher() -> MultiFernet:
    ciphers = []
    for key in (settings.secret_key, settings.secret_key_previous):
        if key is not None:
            derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"imapp second factor").derive(key.encode())
            ciphers.append(Fernet(base64.urlsafe_b64encode(derived)))
    return MultiFernet(ciphers)


def _qr(text: str) -> QrOut:
    rows = list(segno.make_qr(text, error="m").matrix)
    dark = ((x, y) for y, row in enumerate(rows) for x, module in enumerate(row) if module)
    path = "".join(f"M{x + _QUIET} {y + _QUIET}h1v1h-1z" for x, y in dark)
    return QrOut(size=len(rows) + 2 * _QUIET, path=path)
