"""Conversations: the list, a user's own settings for each, read marks."""

from imapp.schemas.base import Id, In, Out, Position


class ConversationRef(In):
    """A conversation."""

    conversation_id: Id


class MarkRead(In):
    """How far the conversation has been read."""

    conversation_id: Id
    seq: Position


class ReadPosition(In):
    """How far it has been read."""

    seq: Position


class ReadOut(Out):
    """Where the read mark stands; it never moves back."""

    read_seq: int
