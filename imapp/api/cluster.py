"""The cluster's nodes and its last day, for operators."""

from flask import Blueprint

from imapp.api.contract import endpoint
from imapp.errors import ForbiddenError
from imapp.schemas.history import HistoryOut, HistoryQuery
from imapp.schemas.rates import ClusterStats
from imapp.schemas.stats import NodesOut
from imapp.services import history, nodes, rates
from imapp.services.access import Actor

bp = Blueprint("cluster", __name__, url_prefix="/api/admin")


@bp.get("/history")
@endpoint(errors=[ForbiddenError])
def show_history(actor: Actor, query: HistoryQuery) -> HistoryOut:
    """Show what was counted in the last hours, step by step, in the cluster or on one node."""
    return history.history(actor, query)


@bp.get("/stats")
@endpoint(errors=[ForbiddenError])
def show_stats(actor: Actor) -> ClusterStats:
    """Show who is there and the rates of the last step, of the cluster and of each node."""
    return rates.cluster_stats(actor)


@bp.get("/nodes")
@endpoint(errors=[ForbiddenError])
def list_nodes(actor: Actor) -> NodesOut:
    """List the living nodes with their latest reports; only this node's own while Redis is away."""
    return nodes.list_nodes(actor)
