"""Sets up Socket.IO: Flask-SocketIO bound to this product's server."""

import socketio as sio
from flask import Flask

from imapp.cluster import trace_ring
from imapp.cluster.bus.envelope import SID_MARK
from imapp.cluster.bus.factory import make_broker
from imapp.cluster.bus.room_manager import RoomManager
from imapp.cluster.registry import presence
from imapp.extensions import socketio
from imapp.logs import add_source
from imapp.node import node_of
from imapp.realtime import handshake, transports
from imapp.realtime.dispatch import command_fields
from imapp.realtime.presence_fanout import PresenceFanout
from imapp.realtime.server import ProductPacket, RealtimeServer
from imapp.realtime.upkeep import NodeUpkeep


def init_realtime(app: Flask, async_mode: str) -> None:
    """Bind Flask-SocketIO to the app with `RealtimeServer` in place of the stock one."""
    add_source(command_fields)
    plain, node = app.wsgi_app, node_of(app)
    settings = node.settings
    manager = node.add(
        RoomManager(
            make_broker(settings),
            cluster=settings.cluster_name,
            node_id=settings.node_id,
            ring=trace_ring.of_app(app),
        )
    )
    options = {
        "async_mode": async_mode,
        "async_handlers": False,
        "client_manager": manager,
        "cors_allowed_origins": transports.allowed_origins(settings),
        "json": ProductPacket.json,
        "max_http_buffer_size": settings.max_payload_bytes,
        "ping_interval": settings.ping_interval_seconds,
        "ping_timeout": settings.ping_timeout_seconds,
        "serializer": ProductPacket,
    }
    # Flask-SocketIO builds a server of its own, which is replaced below: it must not load python-engineio's driver for
    # gevent, because that imports gevent-websocket, which only IM_TRANSPORT=stock uses.
    socketio.init_app(app, **{**options, "async_mode": "threading"})
    server = node.add(RealtimeServer(app, **options, **transports.options(settings, async_mode)))
    transports.prepare(server, settings)
    stock_id = server.eio.generate_id
    # A proxy, and each node, reads from a session's id to which node it belongs.
    server.eio.generate_id = lambda: f"{settings.node_id}{SID_MARK}{stock_id()}"
    server.on("connect", lambda sid, _environ, auth=None: handshake.on_connect(server, sid, auth))
    server.on("disconnect", lambda sid, reason: handshake.on_disconnect(server, sid, reason))
    server.is_same_login = lambda sid, auth: handshake.is_same_login(server, sid, auth)
    server.upkeep = node.add(NodeUpkeep(server))
    socketio.server = server
    app.wsgi_app = sio.WSGIApp(server, plain, socketio_path="socket.io")  # type: ignore[method-assign]  # Flask's own advice for middleware
    presence.local_of(app).on_change = PresenceFanout(server).note
