"""Operators' log-in with a second factor, and its enrolment."""

from typing import Annotated

from pydantic import Field

from imapp.schemas.base import In, Out
from imapp.schemas.sessions import LoginIn, TokensOut
from imapp.schemas.users import Code, Password


class AdminLoginIn(LoginIn):
    """The code of the authenticator app, or a recovery code; without one the answer says what is missing."""

    code: Code | None = None


class EnrolmentIn(In):
    """The password again: a token that got lost must not be enough to enrol somebody else's phone."""

    account: Annotated[str, Field(min_length=1, max_length=320)]
    password: Password


class ConfirmationIn(LoginIn):
    """The first code of the new secret."""

    code: Code


class QrOut(Out):
    """A QR code as one SVG path on a square of `size` units, with its white border."""

    size: int
    path: str


class EnrolmentOut(Out):
    """A new secret, shown this once: as text, as an otpauth address, and that address as a QR code."""

    secret: str
    uri: str
    qr: QrOut


class EnrolledOut(TokensOut):
    """A logged-in session with its second factor; the recovery codes are shown this once."""

    recovery_codes: list[str]
