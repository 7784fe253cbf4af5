"""Codes by which people may register: what operators send and get."""

from typing import Annotated

from pydantic import Field

from imapp.schemas.base import In, Moment, Out


class InvitationIn(In):
    """How many people may use a new code, and for how long."""

    uses: Annotated[int, Field(ge=1, le=100_000, description="How many accounts may be made with the code.")] = 1
    days: Annotated[int, Field(ge=1, le=3650, description="Days until the code expires.")] = 7


class InvitationOut(Out):
    """A code that still counts; the code itself is shown only when it is made."""

    id: int
    created_at: Moment
    expires_at: Moment
    max_uses: int
    uses: int


class NewInvitationOut(InvitationOut):
    """A new code."""

    code: str
