"""A randomized checker: users whose devices follow the protocol, faults amid the load, and an oracle over the end."""
