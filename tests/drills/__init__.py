"""All fault drills: real processes are harmed while a crowd of clients talks, and an oracle judges what users saw.

`python -m tests.drills` (or scripts/drills.sh, which sets up first) runs them and prints a table. A `Drill` says what
is done to a `Field` of nodes, databases and proxies; a `Crowd` of senders and readers lives on the field; the
`oracle` compares what was acknowledged, stored and shown; the `report` is the table. Only what a drill itself started
is ever signalled.
"""
