"""Commands on presence."""

from imapp.realtime.connections import Connection
from imapp.realtime.dispatch import command
from imapp.schemas.realtime import OnlineQuery, OnlineUsers
from imapp.services.contacts import presence


@command("get_online_users", OnlineQuery, OnlineUsers)
def get_online_users(connection: Connection, payload: OnlineQuery) -> OnlineUsers:
    """Return the ids of the given users that are online."""
    return OnlineUsers(user_ids=presence.online_users(connection.user_id, payload.user_ids))
