"""The nodes of the cluster, for operators."""

from collections.abc import Sequence

from flask import current_app

from imapp.cluster.bus import write_only
from imapp.cluster.bus.node_commands import DRAIN, LOG_LEVEL, REBALANCE
from imapp.cluster.registry import presence
from imapp.cluster.registry.node_report import report_of
from imapp.errors import NotFoundError, UnavailableError
from imapp.extensions import settings
from imapp.schemas.administration import By
from imapp.schemas.stats import NodeReport, NodesOut
from imapp.services import audit_log
from imapp.services.accounts.authentication import Actor, require_operator

_NO_CLUSTER = "No cluster: REDIS_URL is unset, or Redis does not answer."


def list_nodes(actor: Actor) -> NodesOut:
    """Return every living node's own report, or only this node's without Redis; raises ForbiddenError."""
    require_operator(actor)
    found = presence.cluster().reports()
    return NodesOut(nodes=checked([report_of(current_app)] if found is None else found))


def reports() -> list[NodeReport] | None:
    """Return every living node's own report, or None without Redis."""
    found = presence.cluster().reports()
    return None if found is None else checked(found)


def checked(found: list[dict[str, object]]) -> list[NodeReport]:
    """Return the reports with their known fields only: nodes of another version may send more."""
    return [NodeReport(**{name: report[name] for name in NodeReport.model_fields}) for report in found]


def living() -> list[NodeReport]:
    """Return every living node's own report; raises UnavailableError without Redis."""
    found = reports()
    if found is None:
        raise UnavailableError(_NO_CLUSTER)
    return found


def report(node_id: str) -> NodeReport:
    """Return a node's report; raises NotFoundError if no living node has this id, UnavailableError without Redis."""
    own = [node for node in living() if node.id == node_id]
    if not own:
        raise NotFoundError
    return own[0]


def change_log_level(node_ids: Sequence[str], change: tuple[str, str, int]) -> list[str]:
    """Have the named nodes, or all if none is named, change their log level to (level, logger, seconds).

    Return the nodes that got the command. Raises like `report`.
    """
    named = [report(node_id).id for node_id in node_ids] or [node.id for node in living()]
    return [node_id for node_id in named if write_only.give(settings, node_id, LOG_LEVEL, change)]


def rebalance(by: By) -> list[NodeReport]:
    """Have all nodes disconnect the clients beyond their share; return the latest reports.

    Raises UnavailableError.
    """
    latest = living()
    audit_log.record(by, "rebalance", "nodes")
    if not write_only.give_all(settings, REBALANCE, None):
        raise UnavailableError(_NO_CLUSTER)
    return latest


def drain(node_id: str, by: By) -> NodeReport:
    """Have a node drain and stop; return its latest report. Raises like `report`."""
    latest = report(node_id)
    audit_log.record(by, "drain_node", f"node:{node_id}")
    if not write_only.give(settings, node_id, DRAIN, None):
        raise UnavailableError(_NO_CLUSTER)
    return latest
