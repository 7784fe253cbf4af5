"""Operators' log-in with a second factor, and its enrolment."""

from typing import Annotated

from pydantic import Field

from imapp.schemas.base import In, Out
from imapp.schemas.sessions import LoginIn, TokensOut
from imapp.schemas.users import Code, Password


class AdminLoginIn(LoginIn):
    """A log-in with a code of the authenticator app or a recovery code; without one, the error says what is missing."""

    code: Code | None = None


class EnrolmentIn(In):
    """Account and password: a stolen token must not be enough to enrol another person's phone."""

    account: Annotated[str, Field(min_length=1, max_length=320)]
    password: Password


class ConfirmationIn(LoginIn):
    """A log-in with the first code of the new secret."""

    code: Code


class QrOut(Out):
    """A QR code as one SVG path on a square of `size` units, with its white border."""

    size: int
    path: str


class EnrolmentOut(Out):
    """A new secret, shown only this once: as text, as an otpauth URI, and as a QR code of this URI."""

    secret: str
    uri: str
    qr: QrOut


class EnrolledOut(TokensOut):
    """A session logged in with its second factor; the recovery codes are shown only this once."""

    recovery_codes: list[str]
