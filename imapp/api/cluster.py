"""The cluster's nodes and its last day, for operators."""

from flask import Blueprint

from imapp.api.http.endpoint import endpoint
from imapp.errors import ForbiddenError
from imapp.schemas.history import HistoryOut, HistoryQuery
from imapp.schemas.rates import ClusterStats
from imapp.schemas.stats import NodesOut
from imapp.services.accounts.authentication import Actor
from imapp.services.operations import history, nodes, rates

bp = Blueprint("cluster", __name__, url_prefix="/api/admin")


@bp.get("/history")
@endpoint(errors=[ForbiddenError])
def show_history(actor: Actor, query: HistoryQuery) -> HistoryOut:
    """Show the counts of the last hours in steps, for the cluster or for one node."""
    return history.history(actor, query)


@bp.get("/stats")
@endpoint(errors=[ForbiddenError])
def show_stats(actor: Actor) -> ClusterStats:
    """Show users, connections and the rates of the last step, for the cluster and for each node."""
    return rates.cluster_stats(actor)


@bp.get("/nodes")
@endpoint(errors=[ForbiddenError])
def list_nodes(actor: Actor) -> NodesOut:
    """List the live nodes with their latest reports; only this node while Redis is unavailable."""
    return nodes.list_nodes(actor)
