"""The gunicorn worker of IM_TRANSPORT=stock: the one that Flask-SocketIO's documentation names, with limits.

gunicorn imports this module only if the settings choose the transport, and before gevent's patches: it must import
nothing that the patches concern.
"""

from geventwebsocket.gunicorn.workers import GeventWebSocketWorker


class WebSocketWorker(GeventWebSocketWorker):  # type: ignore[misc]  # the library has no types
    """The worker of gevent-websocket with this product's server and handler."""

    def run(self) -> None:
        """Serve until the worker is stopped."""
        from imapp.realtime.websocket_handler import Handler, Server  # after the patches

        self.server_class, self.wsgi_handler = Server, Handler
        super().run()
