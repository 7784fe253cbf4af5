"""Health of this node, at the addresses that operators' tools know."""

from flask import Blueprint

from imapp.api.contract import endpoint
from imapp.schemas.health import HealthOut
from imapp.services import health

bp = Blueprint("health", __name__, url_prefix="/actuator/health")


@bp.get("")
@endpoint(200, 503, returns=HealthOut, public=True)
def check() -> tuple[HealthOut, int]:
    """Look at everything that the node needs; 503 when something is down."""
    return _with_status(health.check())


@bp.get("/liveness")
@endpoint(public=True)
def check_liveness() -> HealthOut:
    """Answer: the process runs, restarting it would help nobody."""
    return HealthOut(status="UP")


@bp.get("/readiness")
@endpoint(200, 503, returns=HealthOut, public=True)
def check_readiness() -> tuple[HealthOut, int]:
    """Look at what decides whether requests should come here; 503 when they should not."""
    return _with_status(health.check_readiness())


def _with_status(found: HealthOut) -> tuple[HealthOut, int]:
    return found, 200 if found.status == "UP" else 503
