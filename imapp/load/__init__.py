"""The load test `flask im bench`: a client of the product, over the network and nothing else.

From top to bottom: `runner.py` connects a `crowd.py` of `wire.py`s and lets it write what `plan.py` says at the moments
of the schedule; `ledger.py` keeps what was promised and what came; `meter.py` measures; `report.py` and `page.py` tell.

The law of this folder: one thread, one event loop (asyncio); nothing of the server is imported, and the server imports
nothing of this.
"""
