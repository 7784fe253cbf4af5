"""Who may see the details of a node's health: versions, sizes, names of errors. Everybody else sees statuses only."""

import time
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from flask import Flask, current_app

from imapp.database import as_app_error
from imapp.errors import AppError, ForbiddenError
from imapp.extensions import settings
from imapp.logs import get_logger
from imapp.services import access
from imapp.services.probes import Probe, answer_of

log = get_logger(__name__)

#: Seconds that the database may take to tell whose token it is.
_SECONDS = 1.0


@dataclass(frozen=True)
class Caller:
    """Who asks: the peer's address, whether it speaks for somebody else, and the bearer token shown."""

    address: str
    is_proxy: bool
    token: str | None
    #: This machine's own address, at which the caller reached it.
    own_address: str | None = None


def is_insider(caller: Caller) -> bool:
    """Tell whether it is the machine itself, a network of the operators or an operator, as IM_HEALTH_DETAILS says."""
    if settings.health_details == "always":
        return True
    if settings.health_details == "local" and not caller.is_proxy and _is_near(caller):
        return True
    return caller.token is not None and _is_operator(caller.token)


def require_insider(caller: Caller) -> None:
    """Raise ForbiddenError for everybody else."""
    if not is_insider(caller):
        raise ForbiddenError("This is for the machine itself and for operators (IM_HEALTH_DETAILS).")


def _is_near(caller: Caller) -> bool:
    try:
        found = ip_address(caller.address)
    except ValueError:
        return False
    if found.is_loopback or caller.address == caller.own_address:
        return True
    return any(found in ip_network(network) for network in settings.operator_networks)


def _is_operator(token: str) -> bool:
    """Ask the database, but not for long: health must be told when it hangs."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # a proxy
    question = Probe(lambda: _ask(app, token))
    return answer_of(question.begin(), time.monotonic() + _SECONDS) or False


def _ask(app: Flask, token: str) -> bool:
    with app.app_context():
        try:
            return access.authenticate(token).is_operator
        except Exception as exc:
            if as_app_error(exc) is None and not isinstance(exc, AppError):
                log.exception("insider_check_failed")
            return False
