"""The Socket.IO clients of tests and benchmarks, one module for each kind.

| module | client | use it for |
|---|---|---|
| `official` | python-socketio's client and REST as one user | what an app sees |
| `raw` | one WebSocket, packet by packet or byte by byte | packets that official clients never send; cheap load |
| `polling` | long-polling, request by request | the other transport |
| `asynchronous` | a connection that costs one task of an event loop | hundreds of users in one process |
| `in_process` | no network: packets go directly to the server in this process | tests with thousands of steps |

`imapp.load` and `imapp.doctor` have clients of their own, because the product ships them.
"""
