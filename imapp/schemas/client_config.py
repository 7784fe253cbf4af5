"""Facts about a server that a client needs before the user logs in."""

from typing import Literal

from pydantic import Field

from imapp.schemas.base import Out


class ClientLimits(Out):
    """The limits of this server. Lengths are in characters, sizes in bytes of JSON in UTF-8."""

    username_max_chars: int = Field(description="The longest username.")
    nickname_max_chars: int = Field(description="The longest nickname.")
    bio_max_chars: int = Field(description="The longest bio of a profile.")
    password_min_chars: int = Field(description="The shortest password.")
    password_max_chars: int = Field(description="The longest password.")
    sessions_max: int = Field(description="The most logged-in devices of one user; a further log-in ends one.")

    message_text_max_chars: int = Field(description="The longest text of a message.")
    message_content_max_bytes: int = Field(description="The largest content of a message other than text.")
    message_mentions_max: int = Field(description="The most mentions of one message.")
    message_reactions_max: int = Field(description="The most different emoji on one message.")
    message_own_reactions_max: int = Field(description="The most different emoji of one user on one message.")
    message_edits_max: int = Field(description="How often one message may be edited.")
    client_id_max_chars: int = Field(description="The longest client_id of a message.")
    draft_max_chars: int = Field(description="The longest draft of a conversation.")
    hidden_messages_max: int = Field(description="The most messages that one request deletes for oneself.")

    group_name_max_chars: int = Field(description="The longest name of a group.")
    group_members_max: int = Field(description="The most members of a group.")
    group_added_members_max: int = Field(description="The most users that one request adds to a group.")
    groups_owned_max: int = Field(description="The most groups that one user owns.")
    conversations_max: int = Field(
        description="The most conversations of one user; at the limit the user cannot open, create or join another one."
    )
    presence_group_max_members: int = Field(
        description="The most members of a group in which members may ask whether another one is online. 0: never."
    )
    group_receipts_max_members: int = Field(
        description="The most members of a group in which members see how far the others have read."
    )
    contact_message_max_chars: int = Field(description="The longest message of a contact request.")
    contact_remark_max_chars: int = Field(description="The longest remark on a contact.")

    page_max: int = Field(description="The longest page of a list or of a history.")
    search_page_max: int = Field(description="The longest page of a search for users.")
    online_users_max: int = Field(description="The most users that one query for presence may name.")
    sync_conversations_max: int = Field(description="The most conversations that one sync may name.")
    sync_changes_default: int = Field(description="The most changes of one conversation in a sync without `limit`.")
    sync_changes_max: int = Field(description="The most changes of one conversation in a sync.")
    sync_total_max: int = Field(description="The most changes of all conversations in one answer of sync.")

    request_max_bytes: int = Field(
        description="The largest body of a REST request that sends or edits a message, syncs, or creates or changes a"
        " group or a conversation."
    )
    request_small_max_bytes: int = Field(description="The largest body of every other REST request.")
    sockets_max: int = Field(description="The most sockets of one user on one node.")
    packet_max_bytes: int = Field(description="The largest packet on a socket.")


class ClientWindows(Out):
    """Durations in seconds."""

    recall_seconds: int = Field(description="How long the author may recall a message. 0: never.")
    edit_seconds: int = Field(description="How long the author may edit a message. 0: never.")
    access_token_seconds: int = Field(description="How long an access token is valid.")
    refresh_token_seconds: int = Field(description="How long a device stays logged in while it is away.")
    token_expiring_lead_seconds: int = Field(description="How long before its token expires a socket gets the event.")
    connect_timeout_seconds: int = Field(description="How long a socket may take to log in.")
    messages_kept_seconds: int | None = Field(description="How long messages are kept. null: without limit.")
    changes_kept_seconds: int | None = Field(
        description="How long a device may be away before sync resets it. null: without limit."
    )


class ClientFeatures(Out):
    """The features of this server, and the users that may use them."""

    private_messages: Literal["anyone", "contacts"] = Field(
        description="Whether a user may open a private conversation with anyone, or only with contacts."
    )
    registration: Literal["open", "invitation", "approval", "closed"] = Field(
        description="How accounts are created: by everybody, by people with an invitation, by everybody but subject "
        "to an operator's approval, or only by operators."
    )
    stats_visibility: Literal["everyone", "operators"] = Field(
        description="Whether everyone or only operators see the ids of the users online."
    )
    group_invites: Literal["anyone", "contacts"] = Field(
        description="Whether anyone or only contacts may add a user to a group without asking. Others only invite."
    )
    group_receipts: bool = Field(description="Whether members of small groups see how far the others have read.")
    rate_limits: bool = Field(description="Whether this server has rate limits.")


class ClientConfig(Out):
    """The limits, windows and features of this server. New fields may appear in any release."""

    version: str = Field(description="The version of the server's software.")
    api_version: int = Field(description="Grows only if something is removed from the API or changes its meaning.")
    limits: ClientLimits
    windows: ClientWindows
    features: ClientFeatures
