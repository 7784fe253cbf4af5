"""What lies between the socket and python-socketio: WebSocket, Engine.IO and the rules of Socket.IO.

From bytes to handler: `websocket.py` reads a socket when bytes have come and gives them to `parser.py`; the messages
go to their `session.py`, which queues them and asks `turns.py` for a greenlet; there `socketio.py` decodes a packet and
calls the handler. Back: a packet (`packets.py`) is framed once, given to the sessions, and leaves at the end of the
turn through `flusher.py`. docs/realtime-engine.md tells it in full.

The law of this folder: it knows sockets, sessions and packets. It knows nothing of users, messages or the database.
"""
