"""The choice of the broker, by REDIS_URL."""

from typing import TYPE_CHECKING

from imapp.cluster.bus.broker import Broker, MemoryBroker
from imapp.cluster.bus.broker_redis import RedisBroker, SentinelBroker
from imapp.cluster.bus.broker_redis_cluster import RedisClusterBroker
from imapp.cluster.bus.signing import Signer
from imapp.cluster.redis_url import parse

if TYPE_CHECKING:
    from imapp.settings import Settings

_KINDS = {"single": RedisBroker, "sentinel": SentinelBroker, "cluster": RedisClusterBroker}


def make_broker(settings: "Settings") -> Broker:
    """Return the broker that fits REDIS_URL, without opening a connection."""
    if settings.redis_url is None:
        return MemoryBroker()
    address = parse(settings.redis_url)
    seal = Signer(settings.secret_key, settings.secret_key_previous)
    return _KINDS[address.kind](
        address, seal, name=settings.cluster_name, node=settings.node_id, queue_max=settings.bus_queue_max_bytes
    )
