"""The load test `flask im bench`: a client that talks to the server over the network only.

`runner.py` opens connections (`connections.py`, `socketio_client.py`) and sends the messages of `plan.py` at their
scheduled times. `ledger.py` compares acknowledged with delivered messages, and `meter.py` measures. `report.py` and
`page.py` write the results.

The law of this folder: one thread and one asyncio event loop. It imports no module of the server, and the server
imports no module of this folder.
"""
