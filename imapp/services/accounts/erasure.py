"""Erasing an account: all personal data of the user is removed, all data of other users is kept.

The account stays as an anonymous row, because messages, groups and other users' lists refer to it. Each step is an
ordinary use case, so devices are notified as of any other change. An interrupted erasure is resumed by starting it
again.
"""

import secrets
import threading
from collections.abc import Sequence

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from imapp.clock import now
from imapp.database.transactions import atomic, release
from imapp.errors import AppError, OwnerMustTransferError, UnavailableError, WrongPasswordError
from imapp.extensions import db
from imapp.logs import get_logger
from imapp.models.contacts import Block, Contact, ContactRequest
from imapp.models.conversations import ConversationMember
from imapp.models.groups import Group, JoinRequest
from imapp.models.idempotency import IdempotencyKey
from imapp.models.messages import HiddenMessage, Message
from imapp.models.sessions import DeviceSession
from imapp.models.users import User
from imapp.schemas.contents import SYSTEM
from imapp.schemas.users import EraseIn, OwnMessages
from imapp.services.accounts import (
    attempts,
    passwords,
    profiles,
    second_factor,
    sessions,
    step_up,
    users,
)
from imapp.services.accounts.authentication import Actor
from imapp.services.contacts import blocks, contact_requests, contacts
from imapp.services.groups import group_members, groups, join_requests
from imapp.services.groups.join_requests import WAITING
from imapp.services.write_path import committer
from imapp.services.write_path.message_rules import Erase
from imapp.services.write_path.transaction import Outcome

log = get_logger(__name__)

#: Nickname of an erased account.
NICKNAME = "Deleted user"

#: Messages erased per batch.
_BATCH = 200

#: Maximum number of groups that a refusal names.
_NAMED = 10

#: Seconds to wait for the commit of a batch of messages; raises UnavailableError after that.
_PATIENCE = 120


def erase_own(actor: Actor, body: EraseIn) -> None:
    """Erase the caller's account.

    Raises WrongPasswordError, OwnerMustTransferError, RateLimitedError, and the errors of `step_up.require_proof`.
    """
    user = users.get_row(actor.user_id)
    with attempts.counted("password_checks_per_session", "erase", actor.session_id):
        if not passwords.is_correct(body.password, user.password_hash):
            raise WrongPasswordError
    step_up.require_proof(actor, body.code)
    erase(actor.user_id, body.messages, transfer_groups=body.transfer_groups)


def erase(user_id: int, own_messages: OwnMessages, *, transfer_groups: bool) -> int:
    """Erase an account; return the number of recalled messages.

    With `transfer_groups` each of the user's groups goes to the admin that joined first, or to the member that joined
    first if there is no admin; a group without other members is dissolved. Raises NotFoundError, and
    OwnerMustTransferError for the owner of groups without `transfer_groups`.
    """
    users.get_row(user_id)
    owned = owned_groups(user_id)
    if owned and not transfer_groups:
        names = ", ".join(f"{group.name} ({group.id})" for group in owned[:_NAMED])
        raise OwnerMustTransferError(f"Transfer the ownership or dissolve these groups first: {names}.")
    sessions.close_sockets(atomic(_close, user_id))
    try:
        for group in owned_groups(user_id):  # read again: the account may have received groups before it was closed
            _give_away(user_id, group.id)
        profiles.write(user_id, _anonymous(user_id))
        _leave_groups(user_id)
        _end_relations(user_id)
        recalled = _recall_messages(user_id) if own_messages == "delete" else 0
        atomic(_wipe, user_id)
    except Exception:
        log.error("account_erasure_interrupted", user_id=user_id, message="flask im erase-user resumes it")
        raise
    log.info("account_erased", user_id=user_id, messages=own_messages)
    return recalled


def owned_groups(user_id: int) -> Sequence[Group]:
    """Return the groups that the user owns, without dissolved ones."""
    owned = select(Group).where(Group.owner_id == user_id, Group.dissolved_at.is_(None)).order_by(Group.id)
    return db.session.scalars(owned, execution_options={"populate_existing": True}).all()


def _close(session: Session, user_id: int) -> list[int]:
    """Close the account: disable it, remove its password, end its sessions. Return the ids of the ended sessions."""
    user = session.get_one(User, user_id, with_for_update=True)
    user.disabled_at = user.disabled_at or now()
    user.password_hash = passwords.NO_PASSWORD
    return sessions.revoke_all_but(session, user_id, 0)


def _anonymous(user_id: int) -> dict[str, object]:
    """Return the anonymous profile; an account that is already erased keeps its name."""
    name = users.get_row(user_id).username
    if not name.startswith(f"deleted-{user_id}-"):
        name = f"deleted-{user_id}-{secrets.token_hex(3)}"
    empty = dict.fromkeys(("avatar_url", "email", "phone"))
    return {**empty, "username": name, "username_key": name, "nickname": NICKNAME, "bio": "", "is_operator": False}


# -- groups and people ---------------------------------------------------------------------------------------------


def _give_away(user_id: int, group_id: int) -> None:
    heirs = (
        select(ConversationMember)
        .where(ConversationMember.conversation_id == group_id, ConversationMember.user_id != user_id)
        .where(ConversationMember.left_at.is_(None), User.disabled_at.is_(None))
        .join(User, User.id == ConversationMember.user_id)
    )
    by_age = ConversationMember.role, ConversationMember.joined_at, ConversationMember.user_id  # admin before member
    heir = db.session.scalars(heirs.order_by(*by_age).limit(1)).first()
    if heir is None:
        groups.dissolve(user_id, group_id)
    else:
        groups.transfer(user_id, group_id, heir.user_id)


def _leave_groups(user_id: int) -> None:
    present = (
        select(ConversationMember.conversation_id)
        .join(Group, Group.id == ConversationMember.conversation_id)
        .where(ConversationMember.user_id == user_id, ConversationMember.left_at.is_(None))
    )
    for group_id in db.session.scalars(present).all():
        group_members.leave(user_id, group_id)
    waiting = select(JoinRequest.group_id).where(JoinRequest.user_id == user_id, JoinRequest.status.in_(WAITING))
    for group_id in db.session.scalars(waiting).all():
        join_requests.cancel(user_id, group_id)


def _end_relations(user_id: int) -> None:
    friends = select(Contact.contact_id).where(Contact.user_id == user_id, Contact.removed_at.is_(None))
    for other_id in db.session.scalars(friends).all():
        contacts.remove(user_id, other_id)
    pending = select(ContactRequest.id).where(ContactRequest.status == "pending")
    for request_id in db.session.scalars(pending.where(ContactRequest.from_user_id == user_id)).all():
        contact_requests.cancel(user_id, request_id)
    for request_id in db.session.scalars(pending.where(ContactRequest.to_user_id == user_id)).all():
        contact_requests.reject(user_id, request_id)
    blocked = select(Block.blocked_id).where(Block.user_id == user_id, Block.removed_at.is_(None))
    for other_id in db.session.scalars(blocked).all():
        blocks.unblock(user_id, other_id)


# -- messages ------------------------------------------------------------------------------------------------------


def _recall_messages(user_id: int) -> int:
    """Recall the user's messages in batches, in the order of the client id index; return their number."""
    recalled, last = 0, ""
    mine = select(Message.conversation_id, Message.seq, Message.client_id).where(
        Message.sender_id == user_id, Message.recalled_at.is_(None), Message.type != SYSTEM
    )
    while rows := db.session.execute(
        mine.where(Message.client_id > last).order_by(Message.client_id).limit(_BATCH)
    ).all():
        release()
        outcomes = _commit([Erase(user_id, row.conversation_id, row.seq) for row in rows])
        lost = [outcome for outcome in outcomes if isinstance(outcome, UnavailableError)]
        if lost:
            raise lost[0]
        recalled += sum(not isinstance(outcome, AppError) for outcome in outcomes)
        last = rows[-1].client_id
    return recalled


def _commit(ops: list[Erase]) -> list[Outcome]:
    """Submit all ops to the committer, wait for them together, and return their outcomes."""
    outcomes: list[Outcome] = []
    through = threading.Event()

    def note(outcome: Outcome) -> None:
        outcomes.append(outcome)
        if len(outcomes) == len(ops):
            through.set()

    for op in ops:
        committer.submit(op, note)
    if not through.wait(_PATIENCE):
        raise UnavailableError
    return outcomes


# -- private data --------------------------------------------------------------------------------------------------


def _wipe(session: Session, user_id: int) -> None:
    """Delete the data that only the account itself could see."""
    second_factor.remove(session, user_id)
    session.execute(delete(DeviceSession).where(DeviceSession.user_id == user_id))
    session.execute(delete(HiddenMessage).where(HiddenMessage.user_id == user_id))
    session.execute(delete(IdempotencyKey).where(IdempotencyKey.user_id == user_id))
    member, request = ConversationMember, ContactRequest
    session.execute(update(member).where(member.user_id == user_id).values(draft=None))
    session.execute(update(Contact).where(Contact.user_id == user_id).values(remark=""))
    session.execute(update(request).where(request.from_user_id == user_id).values(message=""))
    session.execute(update(JoinRequest).where(JoinRequest.user_id == user_id).values(message=""))
    session.execute(update(User).where(User.id == user_id).values(last_seen_at=None))
