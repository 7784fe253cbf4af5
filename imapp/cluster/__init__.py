"""What nodes share: the bus, presence, rate limits.

Law of the folder: in-process now; the same functions work over Redis when several nodes form a cluster.
"""
