"""Who may see the details of a node's health: versions, sizes, names of errors. Everybody else sees statuses only."""

import time
from dataclasses import dataclass
from ipaddress import ip_address

from flask import Flask, current_app

from imapp.database import as_app_error
from imapp.errors import AppError
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


def is_insider(caller: Caller) -> bool:
    """Tell whether it is the machine itself or an operator, as IM_HEALTH_DETAILS says."""
    if settings.health_details == "always":
        return True
    if settings.health_details == "local" and not caller.is_proxy and _is_loopback(caller.address):
        return True
    return caller.token is not None and _is_operator(caller.token)


def _is_loopback(address: str) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return found.is_loopback


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
