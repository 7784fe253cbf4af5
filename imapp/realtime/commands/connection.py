"""Commands on the connection itself."""

from imapp.clock import now
from imapp.errors import InvalidTokenError
from imapp.extensions import settings
from imapp.realtime.connections import Connection
from imapp.realtime.dispatch import NoPayload, command
from imapp.schemas.realtime import Pong, RenewToken, TokenRenewed
from imapp.services.accounts import authentication


@command("ping_server", NoPayload, Pong)
def ping_server(connection: Connection, payload: NoPayload) -> Pong:
    """Return the server's time and the id of this node."""
    return Pong(server_time=now(), node_id=settings.node_id)


@command("renew_token", RenewToken, TokenRenewed)
def renew_token(connection: Connection, payload: RenewToken) -> TokenRenewed:
    """Present a new access token of the same login, so that the connection stays open after the old one expires."""
    actor = authentication.authenticate(payload.token)
    if (actor.user_id, actor.session_id) != (connection.user_id, connection.session_id):
        raise InvalidTokenError
    connection.renew(actor.expires_at)
    return TokenRenewed(expires_at=actor.expires_at)
