"""Permissions in a conversation, checked inside a batch on rows read under the conversation's lock."""

from datetime import datetime

from imapp.errors import (
    BlockedError,
    GroupDissolvedError,
    MutedError,
    NotAContactError,
    NotAMemberError,
    RecipientGoneError,
    RoleRequiredError,
)
from imapp.extensions import settings
from imapp.services.write_path.batch import Batch, Op
from imapp.services.write_path.rows import Head, Rights

#: Roles that may administer a group.
ADMINS = frozenset({"owner", "admin"})


def require_member(batch: Batch, op: Op) -> tuple[Head, Rights]:
    """Return the conversation and the actor's row; raises NotAMemberError (also if there is no such conversation)."""
    head = batch.heads.get(op.conversation_id)
    rights = batch.rights.get((op.conversation_id, op.actor_id))
    if head is None or rights is None or rights.left_at is not None:
        raise NotAMemberError
    return head, rights


def require_voice(batch: Batch, op: Op) -> tuple[Head, Rights]:
    """Return the same as `require_member`; raise if the actor may not speak: blocked, muted or the group dissolved."""
    head, rights = require_member(batch, op)
    check_voice(head.type, rights, batch.moment)
    return head, rights


def check_voice(kind: str, rights: Rights, moment: datetime) -> None:
    """Raise the error with the reason if a member may not speak in a conversation of this kind at this moment."""
    if kind == "private":
        if rights.is_blocked:
            raise BlockedError
        if rights.is_peer_closed:
            raise RecipientGoneError
        if settings.private_messages == "contacts" and not rights.is_contact:
            raise NotAContactError
        return
    if rights.dissolved_at is not None:
        raise GroupDissolvedError
    until = rights.muted_until
    if until is not None and until > moment:
        raise MutedError(retry_after=(until - moment).total_seconds())
    if rights.is_muted_all and rights.role not in ADMINS:
        raise MutedError


def require_admin(head: Head, rights: Rights) -> None:
    """Raise RoleRequiredError in a group if the actor is not owner or admin. In a private conversation, both may."""
    if head.type == "group" and rights.role not in ADMINS:
        raise RoleRequiredError
