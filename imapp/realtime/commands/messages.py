"""Commands on messages."""

from imapp.realtime.connections import Connection
from imapp.realtime.dispatch import command, queued_command
from imapp.schemas.base import JsonObject
from imapp.schemas.conversations import MarkRead, ReadOut
from imapp.schemas.messages import (
    EditMessage,
    ForwardMessage,
    MessageAck,
    MessageRef,
    MessageResult,
    React,
    SendMessage,
)
from imapp.services.messaging import messages, reactions, read_marks
from imapp.services.write_path.committer import Done


@queued_command("send_message", SendMessage, MessageAck)
def send_message(connection: Connection, payload: SendMessage, done: Done) -> None:
    """Send a message; the ack comes after the commit and carries the stored message."""
    messages.submit_send(connection.user_id, payload, done, connection.sid)


@queued_command("mark_read", MarkRead, ReadOut)
def mark_read(connection: Connection, payload: MarkRead, done: Done) -> None:
    """Move the read mark of a conversation forward; the ack carries its position."""
    read_marks.submit_mark_read(connection.user_id, payload.conversation_id, payload.seq, done)


@command("forward_message", ForwardMessage, MessageAck)
def forward_message(connection: Connection, payload: ForwardMessage) -> JsonObject:
    """Send a copy of a message's content to a conversation."""
    return messages.forward(connection.user_id, payload)


@command("edit_message", EditMessage, MessageResult)
def edit_message(connection: Connection, payload: EditMessage) -> JsonObject:
    """Change the content of one of the user's own messages."""
    return messages.edit(connection.user_id, payload)


@command("recall_message", MessageRef, MessageResult)
def recall_message(connection: Connection, payload: MessageRef) -> JsonObject:
    """Recall a message for all members."""
    return messages.recall(connection.user_id, payload.message_id)


@command("react", React, MessageResult)
def react(connection: Connection, payload: React) -> JsonObject:
    """Add an emoji to a message, or remove it."""
    return reactions.react(connection.user_id, payload.message_id, payload.emoji, remove=payload.remove)


@command("pin_message", MessageRef, MessageResult)
def pin_message(connection: Connection, payload: MessageRef) -> JsonObject:
    """Pin a message for all members."""
    return messages.set_pin(connection.user_id, payload.message_id, pin=True)


@command("unpin_message", MessageRef, MessageResult)
def unpin_message(connection: Connection, payload: MessageRef) -> JsonObject:
    """Unpin a message for all members."""
    return messages.set_pin(connection.user_id, payload.message_id, pin=False)
