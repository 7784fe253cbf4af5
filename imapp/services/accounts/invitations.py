"""Invitation codes for registration: create, list, revoke and use them."""

from datetime import timedelta

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from imapp.clock import now
from imapp.database.transactions import atomic
from imapp.errors import InvalidInvitationError, NotFoundError
from imapp.extensions import db
from imapp.models.invitations import Invitation
from imapp.schemas.administration import By
from imapp.schemas.base import Page
from imapp.schemas.invitations import InvitationIn, InvitationOut, NewInvitationOut
from imapp.schemas.sessions import ClientInfo
from imapp.services import audit_log
from imapp.services.accounts import typed_codes
from imapp.services.accounts.authentication import Actor, require_operator

#: Maximum number of codes in a list.
_SHOWN = 200


def invite(actor: Actor, client: ClientInfo, body: InvitationIn) -> NewInvitationOut:
    """Create a code as an operator; raises ForbiddenError."""
    require_operator(actor)
    return create(body, By(actor.user_id, client.ip))


def create(body: InvitationIn, by: By) -> NewInvitationOut:
    """Create a code and record its creator in the log of acts."""
    code = typed_codes.new_code()
    return NewInvitationOut(**atomic(_create, body, by, code).model_dump(), code=code)


def list_invitations(actor: Actor) -> Page[InvitationOut]:
    """Return the usable codes, newest first; raises ForbiddenError."""
    require_operator(actor)
    rows = db.session.scalars(select(Invitation).where(*_usable()).order_by(Invitation.id.desc()).limit(_SHOWN))
    return Page[InvitationOut](items=[InvitationOut.model_validate(row) for row in rows])


def revoke(actor: Actor, client: ClientInfo, invitation_id: int) -> None:
    """Revoke a code; raises ForbiddenError, NotFoundError."""
    require_operator(actor)
    atomic(_revoke, By(actor.user_id, client.ip), invitation_id)


def require_usable(code: str) -> None:
    """Raise InvalidInvitationError for an unusable code, before the costly hashing of the password."""
    if db.session.scalar(select(Invitation.id).where(_is(code), *_usable())) is None:
        raise InvalidInvitationError


def spend(session: Session, code: str) -> None:
    """Use a code once; raises InvalidInvitationError. Part of a transaction."""
    used = update(Invitation).where(_is(code), *_usable()).values(uses=Invitation.uses + 1)
    spent: int = session.execute(used).rowcount  # type: ignore[attr-defined]  # the result of an UPDATE has it
    if spent != 1:
        raise InvalidInvitationError


def _create(session: Session, body: InvitationIn, by: By, code: str) -> InvitationOut:
    moment = now()
    row = Invitation(
        code_hash=typed_codes.hash_of(code), created_by=by.user_id, created_at=moment,
        expires_at=moment + timedelta(days=body.days), max_uses=body.uses, uses=0,
    )  # fmt: skip
    session.add(row)
    session.flush()
    audit_log.note(session, by, "create_invitation", f"invitation:{row.id} uses:{row.max_uses}")
    return InvitationOut.model_validate(row)


def _revoke(session: Session, by: By, invitation_id: int) -> None:
    row = session.get(Invitation, invitation_id, with_for_update=True)
    if row is None or row.revoked_at is not None:
        raise NotFoundError
    row.revoked_at = now()
    audit_log.note(session, by, "revoke_invitation", f"invitation:{row.id}")


def _usable() -> tuple[ColumnElement[bool], ...]:
    row = Invitation
    return row.revoked_at.is_(None), row.expires_at > now(), row.uses < row.max_uses


def _is(code: str) -> ColumnElement[bool]:
    return Invitation.code_hash == typed_codes.hash_of(code)
