"""Publishing of events and orders to the nodes from a process that serves no clients: the operator's commands."""

from collections.abc import Iterator
from contextlib import contextmanager

from flask import current_app

from imapp.cluster import orders


@contextmanager
def heard_by_the_nodes() -> Iterator[None]:
    """Send events and orders published in the block to the nodes of the cluster; without Redis they reach no node."""
    settings = current_app.config["IMAPP"]
    if settings.redis_url is None:
        yield
        return
    name, broker = orders.outsider(settings)
    current_app.extensions["imapp.server"].manager.speak_as(name, broker)
    try:
        yield
    finally:
        orders.dismiss(broker)
