"""Health of this node, at the addresses that operators' tools know."""

from flask import Blueprint

from imapp.api.auth import current_caller
from imapp.api.contract import endpoint
from imapp.schemas.health import HealthOut, InfoOut
from imapp.services import health, info
from imapp.services.insiders import is_insider

bp = Blueprint("health", __name__, url_prefix="/actuator")


@bp.get("/health")
@endpoint(200, 503, returns=HealthOut, public=True)
def check() -> tuple[HealthOut, int]:
    """Look at everything that the node needs; 503 when something is down."""
    return _answer(health.check())


@bp.get("/health/liveness")
@endpoint(public=True)
def check_liveness() -> HealthOut:
    """Answer: the process runs, restarting it would help nobody."""
    return HealthOut(status="UP")


@bp.get("/health/readiness")
@endpoint(200, 503, returns=HealthOut, public=True)
def check_readiness() -> tuple[HealthOut, int]:
    """Look at what decides whether requests should come here; 503 when they should not."""
    return _answer(health.check_readiness())


@bp.get("/info")
@endpoint(public=True)
def show_info() -> InfoOut:
    """Tell the version and, to operators, what runs here and since when."""
    return info.info(is_whole=is_insider(current_caller()))


def _answer(found: HealthOut) -> tuple[HealthOut, int]:
    shown = found if is_insider(current_caller()) else found.bare()
    return shown, 200 if found.status == "UP" else 503
