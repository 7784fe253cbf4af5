"""What a client needs to know about a server before anybody logs in."""

from typing import Literal

from pydantic import Field

from imapp.schemas.base import Out


class ClientLimits(Out):
    """The largest values that this server takes. Lengths are in characters, sizes in bytes of JSON in UTF-8."""

    username_max_chars: int = Field(description="The longest username.")
    nickname_max_chars: int = Field(description="The longest nickname.")
    bio_max_chars: int = Field(description="The longest bio of a profile.")
    password_min_chars: int = Field(description="The shortest password.")
    password_max_chars: int = Field(description="The longest password.")
    sessions_max: int = Field(description="Devices of one user that can be logged in; one more ends another.")

    message_text_max_chars: int = Field(description="The longest text of a message.")
    message_content_max_bytes: int = Field(description="The largest content of a message that is no text.")
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
        description="Conversations of one user beyond which the user opens, creates and joins no further one."
    )
    presence_group_max_members: int = Field(
        description="Up to this size of a group, members may ask whether another is online. 0: never."
    )
    group_receipts_max_members: int = Field(description="Up to this size of a group, members see who has read.")
    contact_message_max_chars: int = Field(description="The longest message of a contact request.")
    contact_remark_max_chars: int = Field(description="The longest remark on a contact.")

    page_max: int = Field(description="The longest page of a list or of a history.")
    search_page_max: int = Field(description="The longest page of a search for users.")
    online_users_max: int = Field(description="The most users that one question after presence may name.")
    sync_conversations_max: int = Field(description="The most conversations that one sync may name.")
    sync_changes_default: int = Field(description="Changes of one conversation in a sync that names no limit.")
    sync_changes_max: int = Field(description="The most changes of one conversation in a sync.")
    sync_total_max: int = Field(description="The most changes of all conversations in one answer of sync.")

    request_max_bytes: int = Field(
        description="The largest body of a REST request that sends or edits a message, syncs, or makes or changes a"
        " group or a conversation."
    )
    request_small_max_bytes: int = Field(description="The largest body of every other REST request.")
    sockets_max: int = Field(description="The most sockets of one user on one node.")
    packet_max_bytes: int = Field(description="The largest packet on a socket.")


class ClientWindows(Out):
    """Spans of time, in seconds."""

    recall_seconds: int = Field(description="How long a message may be recalled by its author. 0: never.")
    edit_seconds: int = Field(description="How long a message may be edited by its author. 0: never.")
    access_token_seconds: int = Field(description="How long an access token is valid.")
    refresh_token_seconds: int = Field(description="How long a device that is away stays logged in.")
    token_expiring_lead_seconds: int = Field(description="How long before its token ends a socket is told.")
    connect_timeout_seconds: int = Field(description="How long a socket may take to log in.")
    messages_kept_seconds: int | None = Field(description="How long messages are kept. null: always.")
    changes_kept_seconds: int | None = Field(
        description="How long a device may be away before sync starts it afresh. null: always."
    )


class ClientFeatures(Out):
    """What this server does and for whom."""

    private_messages: Literal["anyone", "contacts"] = Field(description="Who may open a private conversation.")
    registration: Literal["open", "invitation", "approval", "closed"] = Field(
        description="Who may make an account: everybody, people with an invitation, everybody whom an operator "
        "approves, or only operators."
    )
    stats_visibility: Literal["everyone", "operators"] = Field(description="Who sees the ids of the users online.")
    group_invites: Literal["anyone", "contacts"] = Field(
        description="Who may add a user to a group without asking; others only invite."
    )
    group_receipts: bool = Field(description="Whether members of small groups see who has read.")
    rate_limits: bool = Field(description="Whether calls are limited by rate.")


class ClientConfig(Out):
    """The limits, windows and features of this server. New fields may appear in any release."""

    version: str = Field(description="The version of the server's software.")
    api_version: int = Field(description="Grows only when something is removed from the API or changes its meaning.")
    limits: ClientLimits
    windows: ClientWindows
    features: ClientFeatures
