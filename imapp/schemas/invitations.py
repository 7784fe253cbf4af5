"""Invitation codes for registration: operators' input and output."""

from typing import Annotated

from pydantic import Field

from imapp.schemas.base import In, Moment, Out


class InvitationIn(In):
    """How many accounts a new code may create, and for how many days."""

    uses: Annotated[int, Field(ge=1, le=100_000, description="How many accounts may be created with the code.")] = 1
    days: Annotated[int, Field(ge=1, le=3650, description="Days until the code expires.")] = 7


class InvitationOut(Out):
    """A valid invitation; its code is shown only when it is created."""

    id: int
    created_at: Moment
    expires_at: Moment
    max_uses: int
    uses: int


class NewInvitationOut(InvitationOut):
    """A new invitation with its code."""

    code: str
