"""The limits, windows and features of this server, as clients see them; taken from the settings and the schemas."""

from typing import Any

from pydantic import BaseModel

from imapp import API_VERSION, __version__
from imapp.extensions import settings
from imapp.schemas.base import SMALL_BODY
from imapp.schemas.client_config import ClientConfig, ClientFeatures, ClientLimits, ClientWindows
from imapp.schemas.contacts import ContactIn, ContactRequestIn
from imapp.schemas.conversations import ConversationPatch
from imapp.schemas.groups import GroupIn, InviteIn
from imapp.schemas.messages import HideMessages, HistoryQuery, MessageDraft
from imapp.schemas.realtime import OnlineQuery
from imapp.schemas.sessions import RegisterIn
from imapp.schemas.sync import SyncIn
from imapp.schemas.users import ProfileIn, UsersQuery
from imapp.services.accounts.sessions import MAX_SESSIONS
from imapp.services.contacts import reachability
from imapp.services.messaging.reactions import MAX_EMOJI, MAX_OWN_EMOJI
from imapp.services.write_path.message_rules import MAX_EDITS

_BOUNDS = ("maxLength", "maxItems", "maxProperties", "maximum")

_DAY_SECONDS = 86_400


def client_config() -> ClientConfig:
    """Return the server's limits, windows and features."""
    return ClientConfig(
        version=__version__,
        api_version=API_VERSION,
        limits=_limits(),
        windows=ClientWindows(
            recall_seconds=settings.recall_window_seconds,
            edit_seconds=settings.edit_window_seconds,
            access_token_seconds=settings.access_token_seconds,
            refresh_token_seconds=settings.refresh_token_seconds,
            token_expiring_lead_seconds=settings.token_expiring_lead_seconds,
            connect_timeout_seconds=settings.connect_timeout_seconds,
            messages_kept_seconds=settings.retention_messages_days * _DAY_SECONDS or None,
            changes_kept_seconds=(settings.retention_changes_days or settings.retention_messages_days) * _DAY_SECONDS
            or None,
        ),
        features=ClientFeatures(
            private_messages=settings.private_messages,
            registration=settings.registration,
            stats_visibility=settings.stats_visibility,
            group_invites=reachability.group_invites(),
            group_receipts=settings.group_receipts_max_members > 0,
            rate_limits=settings.rate_limits,
        ),
    )


def _limits() -> ClientLimits:
    return ClientLimits(
        username_max_chars=_most(RegisterIn, "username"),
        nickname_max_chars=_most(RegisterIn, "nickname"),
        bio_max_chars=_most(ProfileIn, "bio"),
        password_min_chars=settings.password_min_length,
        password_max_chars=_most(RegisterIn, "password"),
        sessions_max=MAX_SESSIONS,
        message_text_max_chars=settings.message_text_max_chars,
        message_content_max_bytes=settings.message_content_max_bytes,
        message_mentions_max=_most(MessageDraft, "mentions"),
        message_reactions_max=MAX_EMOJI,
        message_own_reactions_max=MAX_OWN_EMOJI,
        message_edits_max=MAX_EDITS,
        client_id_max_chars=_most(MessageDraft, "client_id"),
        draft_max_chars=_most(ConversationPatch, "draft"),
        hidden_messages_max=_most(HideMessages, "message_ids"),
        group_name_max_chars=_most(GroupIn, "name"),
        group_members_max=settings.group_member_limit,
        group_added_members_max=_most(InviteIn, "user_ids"),
        groups_owned_max=settings.groups_owned_max,
        conversations_max=settings.conversations_max,
        presence_group_max_members=settings.presence_group_max_members,
        group_receipts_max_members=settings.group_receipts_max_members,
        contact_message_max_chars=_most(ContactRequestIn, "message"),
        contact_remark_max_chars=_most(ContactIn, "remark"),
        page_max=_most(HistoryQuery, "limit"),
        search_page_max=_most(UsersQuery, "limit"),
        online_users_max=_most(OnlineQuery, "user_ids"),
        sync_conversations_max=_most(SyncIn, "conversations"),
        sync_changes_default=settings.sync_changes_default,
        sync_changes_max=settings.sync_changes_max,
        sync_total_max=settings.sync_total_max,
        request_max_bytes=settings.request_max_bytes,
        request_small_max_bytes=min(SMALL_BODY, settings.request_max_bytes),
        sockets_max=settings.max_connections_per_user,
        packet_max_bytes=settings.max_payload_bytes,
    )


def _most(model: type[BaseModel], field: str) -> int:
    """Return the maximum length or value that a schema allows for a field, so that the limit is defined only there."""
    described: dict[str, Any] = model.model_json_schema()["properties"][field]
    for schema in (described, *described.get("anyOf", ())):
        for bound in _BOUNDS:
            if bound in schema:
                return int(schema[bound])
    raise LookupError(f"{model.__name__}.{field} has no upper bound")
