"""Access to the details of a node's health (versions, sizes, names of errors). All other callers see statuses only."""

import time
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from flask import Flask, current_app

from imapp.database.errors import as_app_error
from imapp.errors import AppError, ForbiddenError
from imapp.extensions import settings
from imapp.logs import get_logger
from imapp.services.accounts import authentication
from imapp.services.operations.health_probe import Probe, answer_of

log = get_logger(__name__)

#: Seconds that the database may take to identify the user of a token. After that, the caller counts as an outsider.
_SECONDS = 1.0


@dataclass(frozen=True)
class Caller:
    """A caller: the peer's address, whether the peer is a proxy for another client, and the bearer token sent."""

    address: str
    is_proxy: bool
    token: str | None
    #: The address of this machine to which the caller connected.
    own_address: str | None = None


def is_insider(caller: Caller) -> bool:
    """Return whether the caller is this machine, in an operators' network or an operator; see IM_HEALTH_DETAILS."""
    if settings.health_details == "always":
        return True
    if settings.health_details == "local" and not caller.is_proxy and _is_near(caller):
        return True
    return caller.token is not None and _is_operator(caller.token)


def require_insider(caller: Caller) -> None:
    """Raise ForbiddenError if the caller is not an insider."""
    if not is_insider(caller):
        raise ForbiddenError("Only this machine itself and operators may see this (IM_HEALTH_DETAILS).")


def _is_near(caller: Caller) -> bool:
    try:
        found = ip_address(caller.address)
    except ValueError:
        return False
    if found.is_loopback or caller.address == caller.own_address:
        return True
    return any(found in ip_network(network) for network in settings.operator_networks)


def _is_operator(token: str) -> bool:
    """Return whether the token is an operator's. The wait is short: health must answer while the database hangs."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # a proxy

    def ask() -> bool:
        with app.app_context():
            try:
                return authentication.authenticate(token).is_operator
            except Exception as exc:
                if as_app_error(exc) is None and not isinstance(exc, AppError):
                    log.exception("insider_check_failed")
                return False

    return answer_of(Probe(ask).begin(), time.monotonic() + _SECONDS) or False
