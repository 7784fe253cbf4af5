"""A randomized checker: users with devices that follow the protocol, faults during the load, an oracle for the end."""
