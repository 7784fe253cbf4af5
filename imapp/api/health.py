"""Health of this node, at the paths that operators' tools expect."""

from flask import Blueprint

from imapp.api.http.caller import current_caller
from imapp.api.http.endpoint import endpoint
from imapp.schemas.health import HealthOut, InfoOut
from imapp.services.operations import health, info
from imapp.services.operations.health_access import is_insider

bp = Blueprint("health", __name__, url_prefix="/actuator")


@bp.get("/health")
@endpoint(200, 503, returns=HealthOut, public=True)
def check() -> tuple[HealthOut, int]:
    """Check everything that the node needs; 503 if a component is down."""
    return _answer(health.check())


@bp.get("/health/liveness")
@endpoint(public=True)
def check_liveness() -> HealthOut:
    """Show that the process runs. Nothing else is checked, because a restart would not help."""
    return HealthOut(status="UP")


@bp.get("/health/readiness")
@endpoint(200, 503, returns=HealthOut, public=True)
def check_readiness() -> tuple[HealthOut, int]:
    """Check whether this node should receive requests; 503 if not."""
    return _answer(health.check_readiness())


@bp.get("/info")
@endpoint(public=True)
def show_info() -> InfoOut:
    """Show the version and, to operators, facts about the process such as its start time."""
    return info.info(is_whole=is_insider(current_caller()))


def _answer(found: HealthOut) -> tuple[HealthOut, int]:
    shown = found if is_insider(current_caller()) else found.bare()
    return shown, 200 if found.status == "UP" else 503
