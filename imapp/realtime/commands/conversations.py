"""Commands on conversations."""

from imapp.events import MessagesHidden
from imapp.realtime.connections import Connection
from imapp.realtime.dispatch import command
from imapp.schemas.conversations import ConversationRef, ConversationState, UpdateConversation
from imapp.schemas.messages import HideMessages
from imapp.services.messaging import conversation_settings, conversations, hidden_messages, typing


@command("typing", ConversationRef)
def start_typing(connection: Connection, payload: ConversationRef) -> None:
    """Tell the other members that the user is writing; repeat it every few seconds."""
    typing.tell(connection.user_id, payload.conversation_id, connection.sid, is_typing=True)


@command("stop_typing", ConversationRef)
def stop_typing(connection: Connection, payload: ConversationRef) -> None:
    """Tell the other members that the user has stopped writing."""
    typing.tell(connection.user_id, payload.conversation_id, connection.sid, is_typing=False)


@command("join_room", ConversationRef)
def join_room(connection: Connection, payload: ConversationRef) -> None:
    """Subscribe this connection to a conversation again; a new connection is subscribed to all of the user's."""
    conversations.join_room(connection.user_id, payload.conversation_id, connection.sid)


@command("leave_room", ConversationRef)
def leave_room(connection: Connection, payload: ConversationRef) -> None:
    """Unsubscribe this connection from a conversation, until it joins again or reconnects."""
    conversations.leave_room(connection.user_id, payload.conversation_id, connection.sid)


@command("update_conversation", UpdateConversation, ConversationState)
def update_conversation(connection: Connection, payload: UpdateConversation) -> ConversationState:
    """Change the user's own settings: pin, mute notifications, hide until the next message, mark unread, draft."""
    return conversation_settings.change(connection.user_id, payload.conversation_id, payload)


@command("mark_unread", ConversationRef, ConversationState)
def mark_unread(connection: Connection, payload: ConversationRef) -> ConversationState:
    """Mark a conversation as unread, until it is read again."""
    patch = UpdateConversation(conversation_id=payload.conversation_id, is_marked_unread=True)
    return conversation_settings.change(connection.user_id, payload.conversation_id, patch)


@command("hide_messages", HideMessages, MessagesHidden)
def hide_messages(connection: Connection, payload: HideMessages) -> MessagesHidden:
    """Hide messages for the user only; the other members keep them."""
    return hidden_messages.hide(connection.user_id, payload)
