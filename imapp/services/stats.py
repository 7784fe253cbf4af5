"""Who is online, for operators' eyes or everybody's, as the settings say."""

from imapp.cluster import presence
from imapp.errors import ForbiddenError, InvalidInputError
from imapp.extensions import settings
from imapp.schemas.stats import NodeOut, OnlineOut, OnlineQuery
from imapp.services.access import Actor


def online(actor: Actor, query: OnlineQuery) -> OnlineOut:
    """Count the users online and give a page of their ids; raises ForbiddenError, InvalidInputError."""
    if settings.stats_visibility == "operators" and not actor.is_operator:
        raise ForbiddenError
    after = _after(query.cursor)
    ids = presence.user_ids(after, query.limit + 1)
    count = presence.count()
    return OnlineOut(
        count=count,
        user_ids=ids[: query.limit],
        next_cursor=str(ids[query.limit - 1]) if len(ids) > query.limit else None,
        node_id=settings.node_id,
        nodes=[NodeOut(id=settings.node_id, connections=presence.connections(), users=count)],
    )


def _after(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise InvalidInputError(fields=[{"field": "cursor", "message": "Not a cursor of this list"}])
    return int(cursor)
