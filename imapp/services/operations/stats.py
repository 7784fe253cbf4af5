"""The number of online users, for everybody; their ids for operators or everybody, depending on the settings."""

from collections import Counter

from imapp.cluster.registry import presence
from imapp.errors import InvalidInputError
from imapp.extensions import settings
from imapp.schemas.stats import NodeOut, OnlineOut, OnlineQuery
from imapp.services.accounts.authentication import Actor


def online(actor: Actor, query: OnlineQuery) -> OnlineOut:
    """Return the number of online users, and a page of their ids if the actor may see them.

    Operators need no second factor, because monitoring scripts read this. Raises InvalidInputError.
    """
    after = _after(query.cursor)
    shows_ids = settings.stats_visibility == "everyone" or actor.is_operator
    ids = presence.user_ids(after, query.limit + 1) if shows_ids else []
    found = nodes()
    return OnlineOut(
        count=presence.count(),
        user_ids=ids[: query.limit],
        next_cursor=str(ids[query.limit - 1]) if len(ids) > query.limit else None,
        node_id=settings.node_id,
        nodes=found,
        platforms=dict(sum((Counter(node.platforms) for node in found), Counter())),
        degraded=not presence.cluster().is_complete(),
    )


def nodes() -> list[NodeOut]:
    """Return the connections and users of every living node, or of this node alone while Redis is away."""
    local = presence.local()
    own = NodeOut(
        id=settings.node_id, connections=len(local.open), users=len(local.users()), platforms=local.platforms()
    )
    others = [report for report in presence.cluster().reports() or [] if report["id"] != settings.node_id]
    shares = [own, *(NodeOut(**{name: report[name] for name in NodeOut.model_fields}) for report in others)]
    return sorted(shares, key=lambda node: node.id)


def _after(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise InvalidInputError(fields=[{"field": "cursor", "message": "Not a cursor of this list"}])
    return int(cursor)
