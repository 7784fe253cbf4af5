"""The nodes of the cluster, for its operators."""

from imapp.cluster import orders, presence
from imapp.errors import NotFoundError, UnavailableError
from imapp.extensions import settings
from imapp.schemas.administration import By
from imapp.schemas.stats import NodeReport
from imapp.services import acts

_NO_CLUSTER = "No cluster: REDIS_URL is unset, or Redis does not answer."


def reports() -> list[NodeReport] | None:
    """Every living node's own report; None when there is no Redis to tell."""
    found = presence.reports()
    if found is None:
        return None
    # Nodes of another version may tell more.
    return [NodeReport(**{name: report[name] for name in NodeReport.model_fields}) for report in found]


def report(node_id: str) -> NodeReport:
    """One node's; raises NotFoundError when no living node has that name, UnavailableError without Redis."""
    found = reports()
    if found is None:
        raise UnavailableError(_NO_CLUSTER)
    own = [node for node in found if node.id == node_id]
    if not own:
        raise NotFoundError
    return own[0]


def drain(node_id: str, by: By) -> NodeReport:
    """Tell a node to let its clients go and to end; gives its latest report. Raises as `report`."""
    latest = report(node_id)
    acts.record(by, "drain_node", f"node:{node_id}")
    if not orders.give(settings, node_id, "drain"):
        raise UnavailableError(_NO_CLUSTER)
    return latest
