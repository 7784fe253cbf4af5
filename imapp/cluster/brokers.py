"""The choice of the broker, by REDIS_URL."""

from typing import TYPE_CHECKING

from imapp.cluster.address import parse
from imapp.cluster.broker import Broker, MemoryBroker
from imapp.cluster.redis_broker import RedisBroker, SentinelBroker
from imapp.cluster.redis_cluster_broker import RedisClusterBroker
from imapp.cluster.seal import Seal

if TYPE_CHECKING:
    from config import Settings

_KINDS = {"single": RedisBroker, "sentinel": SentinelBroker, "cluster": RedisClusterBroker}


def make_broker(settings: "Settings") -> Broker:
    """Return the broker that fits REDIS_URL, without opening a connection."""
    if settings.redis_url is None:
        return MemoryBroker()
    address = parse(settings.redis_url)
    seal = Seal(settings.secret_key, settings.secret_key_previous)
    return _KINDS[address.kind](
        address, seal, name=settings.cluster_name, node=settings.node_id, queue_max=settings.bus_queue_max_bytes
    )
