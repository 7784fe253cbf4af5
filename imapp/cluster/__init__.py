"""The state that nodes share: the bus, presence, rate limits.

Law of the folder: each function works in one process without Redis, and over Redis when several nodes form a cluster.
"""
