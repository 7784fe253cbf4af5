"""Who may do what to a conversation, decided inside a batch on rows read under the conversation's lock."""

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
from imapp.services.batch import Batch, Head, Op, Rights

#: Roles that may administer a group.
ADMINS = frozenset({"owner", "admin"})


def require_member(batch: Batch, op: Op) -> tuple[Head, Rights]:
    """Give the conversation and the actor's row; raises NotAMemberError (also for what does not exist)."""
    head = batch.heads.get(op.conversation_id)
    rights = batch.rights.get((op.conversation_id, op.actor_id))
    if head is None or rights is None or rights["left_at"] is not None:
        raise NotAMemberError
    return head, rights


def require_voice(batch: Batch, op: Op) -> tuple[Head, Rights]:
    """As `require_member`, for those who may also speak: not blocked, not muted, the group not dissolved."""
    head, rights = require_member(batch, op)
    check_voice(head.type, rights, batch.moment)
    return head, rights


def check_voice(kind: str, rights: Rights, moment: datetime) -> None:
    """Let pass a member who may speak in a conversation of this kind now; raises what tells why not."""
    if kind == "private":
        _require_open_private(rights)
    else:
        _require_unmuted(rights, moment)


def _require_open_private(rights: Rights) -> None:
    if rights["is_blocked"]:
        raise BlockedError
    if rights["is_peer_closed"]:
        raise RecipientGoneError
    if settings.private_messages == "contacts" and not rights["is_contact"]:
        raise NotAContactError


def _require_unmuted(rights: Rights, moment: datetime) -> None:
    if rights["dissolved_at"] is not None:
        raise GroupDissolvedError
    until = rights["muted_until"]
    if until is not None and until > moment:
        raise MutedError(retry_after=(until - moment).total_seconds())
    if rights["is_muted_all"] and rights["role"] not in ADMINS:
        raise MutedError


def require_admin(head: Head, rights: Rights) -> None:
    """In a group only owner and admins pass; in a private conversation both sides do. Raises RoleRequiredError."""
    if head.type == "group" and rights["role"] not in ADMINS:
        raise RoleRequiredError
