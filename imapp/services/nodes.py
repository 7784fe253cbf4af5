"""The nodes of the cluster, for its operators."""

from collections.abc import Sequence
from typing import Any

from flask import current_app

from imapp.cluster import orders, presence
from imapp.cluster.report import report_of
from imapp.errors import NotFoundError, UnavailableError
from imapp.extensions import settings
from imapp.schemas.administration import By
from imapp.schemas.stats import NodeReport, NodesOut
from imapp.services import acts
from imapp.services.access import Actor, require_operator

_NO_CLUSTER = "No cluster: REDIS_URL is unset, or Redis does not answer."


def list_nodes(actor: Actor) -> NodesOut:
    """Every living node's own report, only this node's without Redis; raises ForbiddenError."""
    require_operator(actor)
    found = presence.reports()
    return NodesOut(nodes=checked([report_of(current_app)] if found is None else found))


def reports() -> list[NodeReport] | None:
    """Every living node's own report; None when there is no Redis to tell."""
    found = presence.reports()
    return None if found is None else checked(found)


def checked(found: list[dict[str, Any]]) -> list[NodeReport]:
    """Nodes of another version may tell more."""
    return [NodeReport(**{name: report[name] for name in NodeReport.model_fields}) for report in found]


def report(node_id: str) -> NodeReport:
    """One node's; raises NotFoundError when no living node has that name, UnavailableError without Redis."""
    own = [node for node in _all() if node.id == node_id]
    if not own:
        raise NotFoundError
    return own[0]


def change_log_level(node_ids: Sequence[str], change: tuple[str, str, int]) -> list[str]:
    """Tell nodes (none: all) to use (level, logger, seconds); gives those that were told. Raises as `report`."""
    named = [report(node_id).id for node_id in node_ids] or [node.id for node in _all()]
    return [node_id for node_id in named if orders.give(settings, node_id, "log_level", change)]


def _all() -> list[NodeReport]:
    found = reports()
    if found is None:
        raise UnavailableError(_NO_CLUSTER)
    return found


def rebalance(by: By) -> list[NodeReport]:
    """Tell all nodes to send the clients beyond their share on; return the latest reports. Raises UnavailableError."""
    latest = _all()
    acts.record(by, "rebalance", "nodes")
    if not orders.give_all(settings, "rebalance", None):
        raise UnavailableError(_NO_CLUSTER)
    return latest


def drain(node_id: str, by: By) -> NodeReport:
    """Tell a node to let its clients go and to end; gives its latest report. Raises as `report`."""
    latest = report(node_id)
    acts.record(by, "drain_node", f"node:{node_id}")
    if not orders.give(settings, node_id, "drain"):
        raise UnavailableError(_NO_CLUSTER)
    return latest
