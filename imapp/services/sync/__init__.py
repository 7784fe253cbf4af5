"""`sync`: how a device catches up with everything it has missed."""
