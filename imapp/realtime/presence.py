"""Commands on presence."""

from imapp.realtime.connections import Connection
from imapp.realtime.dispatch import command
from imapp.schemas.realtime import OnlineQuery, OnlineUsers
from imapp.services import presence


@command("get_online_users", OnlineQuery, OnlineUsers)
def get_online_users(connection: Connection, payload: OnlineQuery) -> OnlineUsers:
    """Tell who of the given users is online."""
    return OnlineUsers(user_ids=presence.online_users(connection.user_id, payload.user_ids))
