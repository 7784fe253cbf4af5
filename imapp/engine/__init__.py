"""The layer between the socket and python-socketio: WebSocket, Engine.IO and the rules of Socket.IO.

Incoming: `websocket.py` reads a socket when it becomes readable and passes the bytes to `parser.py`. The messages go to
the session (`session.py`), which queues them and requests a greenlet from `greenlet_pool.py`. In that greenlet
`socketio.py` decodes each packet and calls the handler. Outgoing: a packet (`engineio_packets.py`) is framed once,
queued on each session, and sent at the end of the loop's turn by `flusher.py`. Details: docs/realtime-engine.md.

The law of this folder: it handles sockets, sessions and packets. It knows nothing of users, messages or the database.
"""
