"""What is counted, for Prometheus."""

from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST

from imapp import metrics
from imapp.services import health

bp = Blueprint("metrics", __name__, url_prefix="/actuator")


@bp.get("/prometheus")
def prometheus() -> Response:
    """All metrics of this node; numbers only, so no token is asked for: Nginx lets operators' networks in."""
    health.measure()
    return Response(metrics.exposition(), content_type=CONTENT_TYPE_LATEST)
