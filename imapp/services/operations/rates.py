"""The current load of the cluster and of each node: connected users, and the rates of the last step."""

from collections import Counter

from flask import current_app

from imapp.cluster.registry import presence
from imapp.cluster.registry.node_report import report_of
from imapp.extensions import settings
from imapp.schemas.history import HistoryQuery
from imapp.schemas.rates import ClusterStats, NodeStats, Rates
from imapp.schemas.stats import NodeReport
from imapp.services.accounts.authentication import Actor, require_operator
from imapp.services.operations import history, nodes


def cluster_stats(actor: Actor) -> ClusterStats:
    """Return the load of the cluster, or of this node alone without Redis; raises ForbiddenError."""
    require_operator(actor)
    return describe(nodes.reports() or nodes.checked([report_of(current_app)]))


def describe(living: list[NodeReport]) -> ClusterStats:
    """Return the load of these nodes and of the cluster that they form."""
    return ClusterStats(
        users=presence.count(),
        connections=sum(node.connections for node in living),
        platforms=dict(sum((Counter(node.platforms) for node in living), Counter())),
        step_seconds=settings.history_step_seconds,
        rates=_rates(None),
        nodes=[NodeStats(**node.model_dump(), rates=_rates(node.id)) for node in living],
    )


def _rates(node: str | None) -> Rates | None:
    """Return the rates of the last recorded step of a node (None: of the cluster); None if there is none."""
    points = history.read(HistoryQuery(hours=1, node=node)).points
    if not points:
        return None
    latest, seconds = points[-1], settings.history_step_seconds
    return Rates(
        at=latest.at,
        messages_per_second=round(latest.messages / seconds, 2),
        commands_per_second=round(latest.commands / seconds, 2),
        connects_per_second=round(latest.connects / seconds, 2),
        disconnects_per_second=round(latest.disconnects / seconds, 2),
        latency_ms=latest.latency_ms,
        p99_ms=latest.p99_ms,
        cpu=latest.cpu,
    )
