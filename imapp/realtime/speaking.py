"""A process that serves nobody, but whose events and orders reach the nodes: the operator's commands."""

from collections.abc import Iterator
from contextlib import contextmanager

from flask import current_app

from imapp.cluster import orders


@contextmanager
def heard_by_the_nodes() -> Iterator[None]:
    """Carry what is published in the block to the nodes of the cluster; without Redis nobody can be reached."""
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
