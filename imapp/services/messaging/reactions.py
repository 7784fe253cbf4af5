"""Reactions: set and removed inside a batch, and shown to each user as their own or as other users'."""

from collections import defaultdict
from collections.abc import Sequence

import orjson

from imapp.cluster import limits
from imapp.errors import NotAnEmojiError, TooManyOwnReactionsError, TooManyReactionsError
from imapp.events import MessageReacted
from imapp.extensions import db
from imapp.models.messages import Reaction
from imapp.schemas.emoji import emoji_form
from imapp.schemas.messages import MessageWire, message_wire, personal, split_message_id
from imapp.services.write_path import committer
from imapp.services.write_path.batch import Answer, Batch
from imapp.services.write_path.batch_statements import over_pairs
from imapp.services.write_path.message_rules import MessageOp
from imapp.services.write_path.permissions import require_voice

#: Maximum number of different emoji on one message, and of those by one user, so that no user can take all places.
MAX_EMOJI = 20
MAX_OWN_EMOJI = 5

#: Maximum number of users named for each emoji.
NAMED_REACTORS = 20

#: (conversation, seq)
Key = tuple[int, int]

_OWN = """
SELECT r.conversation_id, r.seq, r.emoji FROM {pairs}
{join} reactions r ON r.conversation_id = k.c AND r.seq = k.u AND r.user_id = :user_id
"""


class React(MessageOp):
    """Set or remove an emoji of the actor; repeating it changes nothing."""

    __slots__ = ("emoji", "remove")

    def __init__(self, actor_id: int, key: Key, emoji: str, *, remove: bool) -> None:
        super().__init__(actor_id, *key)
        self.emoji = emoji
        self.remove = remove

    def apply(self, batch: Batch) -> Answer:
        """Set or remove the reaction and summarize the message's reactions again."""
        head, _ = require_voice(batch, self)
        row = self.message(batch)
        reactions = batch.reactions[self.conversation_id, self.seq]
        # Another spelling may be stored: nodes of earlier versions stored emoji as the clients sent them.
        emoji = next((known for known, _ in reactions if emoji_form(known) == self.emoji), self.emoji)
        mine = (emoji, self.actor_id)
        if (mine in reactions) != self.remove:
            return {"message": batch.personal(self.actor_id, message_wire(row))}
        key = {**self.key(), "emoji": emoji, "user_id": self.actor_id}
        if self.remove:
            reactions.remove(mine)
            batch.remove(Reaction, key)
        else:
            self._check_room(emoji, reactions)
            reactions.append(mine)
            batch.added[Reaction].append({**key, "created_at": batch.moment})
        row["reactions"] = _summary(reactions)
        return self.finish(batch, head, MessageReacted, row, user_id=self.actor_id, emoji=emoji, removed=self.remove)

    def _check_room(self, emoji: str, reactions: list[tuple[str, int]]) -> None:
        if sum(user_id == self.actor_id for _, user_id in reactions) >= MAX_OWN_EMOJI:
            raise TooManyOwnReactionsError(f"You may set at most {MAX_OWN_EMOJI} different emoji on one message.")
        different = {known for known, _ in reactions}
        if emoji not in different and len(different) >= MAX_EMOJI:
            raise TooManyReactionsError(f"A message may have at most {MAX_EMOJI} different emoji.")


def _summary(reactions: list[tuple[str, int]]) -> str | None:
    users: dict[str, list[int]] = {}
    for emoji, user_id in reactions:
        users.setdefault(emoji, []).append(user_id)
    if not users:
        return None
    summary = [{"emoji": e, "count": len(ids), "user_ids": ids[:NAMED_REACTORS]} for e, ids in users.items()]
    return orjson.dumps(summary).decode()


def react(actor_id: int, message_id: str, text: str, *, remove: bool) -> Answer:
    """Set or remove an emoji; return {"message"}.

    Raises NotAnEmojiError, TooManyReactionsError, TooManyOwnReactionsError, RateLimitedError. Any text can be removed,
    because earlier versions stored any text.
    """
    limits.hit("messages_per_user", actor_id)
    emoji = emoji_form(text)
    if emoji is None and not remove:
        raise NotAnEmojiError
    return committer.run(React(actor_id, split_message_id(message_id), emoji or text, remove=remove))


def for_user(user_id: int, messages: Sequence[MessageWire]) -> list[MessageWire]:
    """Mark the user's own reactions in messages as all members see them.

    It takes at most one query, and only if a reaction has more users than are named.
    """
    unnamed = [
        (one["conversation_id"], one["seq"])
        for one in messages
        if any(some["count"] > len(some["user_ids"]) and user_id not in some["user_ids"] for some in one["reactions"])
    ]
    own: dict[Key, set[str]] = defaultdict(set)
    if unnamed:
        parameters = {"keys": orjson.dumps(unnamed).decode(), "user_id": user_id}
        for row in db.session.execute(over_pairs(_OWN, db.engine.dialect.name), parameters):
            own[row.conversation_id, row.seq].add(row.emoji)
    return [personal(one, user_id, own.get((one["conversation_id"], one["seq"]), set())) for one in messages]
