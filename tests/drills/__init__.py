"""All fault drills: faults hit real processes while a crowd of clients talks, and an oracle judges what users saw.

`python -m tests.drills` (or scripts/drills.sh, which first sets up) runs them and prints a table. A `Drill` describes a
fault in a `Testbed` of nodes, databases and proxies; a `Crowd` of senders and readers is connected to the testbed; the
`oracle` compares the acknowledged, stored and shown messages; the `report` is the table. A drill signals only processes
that it started itself.
"""
