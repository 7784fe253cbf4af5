"""`sync` as a command."""

from imapp.realtime.connections import Connection
from imapp.realtime.dispatch import command
from imapp.schemas.base import JsonObject
from imapp.schemas.sync import SyncIn, SyncOut
from imapp.services.sync import sync as service


@command("sync", SyncIn, SyncOut)
def sync(connection: Connection, payload: SyncIn) -> JsonObject:
    """Catch up: return everything that a device missed, in answers of bounded size."""
    return service.sync(connection.user_id, payload)
