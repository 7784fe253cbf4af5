"""The nodes of the cluster, for its operators."""

from collections.abc import Sequence

from imapp.cluster import orders, presence
from imapp.errors import NotFoundError, UnavailableError
from imapp.extensions import settings
from imapp.schemas.stats import NodeReport


def reports() -> list[NodeReport] | None:
    """Every living node's own report; None when there is no Redis to tell."""
    found = presence.reports()
    if found is None:
        return None
    # Nodes of another version may tell more.
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
        raise UnavailableError
    return found


def drain(node_id: str) -> NodeReport:
    """Tell a node to let its clients go and to end; gives its latest report. Raises as `report`."""
    latest = report(node_id)
    if not orders.give(settings, node_id, "drain"):
        raise UnavailableError
    return latest
