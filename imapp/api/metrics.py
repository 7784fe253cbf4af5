"""The metrics, for Prometheus."""

from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST

from imapp.api.http.caller import current_caller
from imapp.services.operations import health
from imapp.services.operations.health_access import require_insider
from imapp.telemetry import metrics

bp = Blueprint("metrics", __name__, url_prefix="/actuator")


@bp.get("/prometheus")
def prometheus() -> Response:
    """Serve all metrics of this node.

    Only the machine itself and operators may read them: they are expensive, and reveal how many users are online.
    """
    require_insider(current_caller())
    health.measure()
    return Response(metrics.exposition(), content_type=CONTENT_TYPE_LATEST)
