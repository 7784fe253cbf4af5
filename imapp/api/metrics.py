"""What is counted, for Prometheus."""

from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST

from imapp import metrics
from imapp.api.auth import current_caller
from imapp.services import health
from imapp.services.insiders import require_insider

bp = Blueprint("metrics", __name__, url_prefix="/actuator")


@bp.get("/prometheus")
def prometheus() -> Response:
    """All metrics of this node: for the machine itself and for operators, as they are dear and tell who is here."""
    require_insider(current_caller())
    health.measure()
    return Response(metrics.exposition(), content_type=CONTENT_TYPE_LATEST)
