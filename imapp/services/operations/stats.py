"""The number of online users, for everybody; their ids for operators or everybody, depending on the settings."""

from collections import Counter

from imapp.cluster.registry import presence
from imapp.extensions import settings
from imapp.schemas.base import cut
from imapp.schemas.stats import NodeOut, OnlineOut, OnlineQuery
from imapp.services.accounts.authentication import Actor
from imapp.services.paging import read_number


def online(actor: Actor, query: OnlineQuery) -> OnlineOut:
    """Return the number of online users, and a page of their ids if the actor may see them.

    Operators need no second factor, because monitoring scripts read this. Raises InvalidInputError.
    """
    after = read_number(query.cursor) or 0
    shows_ids = settings.stats_visibility == "everyone" or actor.is_operator
    found = presence.user_ids(after, query.limit + 1) if shows_ids else []
    ids, cursor = cut(found, query.limit, str)
    living = nodes()
    return OnlineOut(
        count=presence.count(),
        user_ids=ids,
        next_cursor=cursor,
        node_id=settings.node_id,
        nodes=living,
        platforms=dict(sum((Counter(node.platforms) for node in living), Counter())),
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
