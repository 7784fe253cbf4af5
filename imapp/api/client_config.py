"""Facts about the server that a client needs before it logs in."""

from flask import Blueprint

from imapp.api.http.endpoint import endpoint
from imapp.schemas.client_config import ClientConfig
from imapp.services.operations import client_config

bp = Blueprint("config", __name__, url_prefix="/api")


@bp.get("/config")
@endpoint(public=True, max_age=60)
def show_config() -> ClientConfig:
    """Read the limits, windows and features of this server.

    They change only when the server is restarted with other settings. Ask at each start of the client, with the
    ETag of the last answer.
    """
    return client_config.client_config()
