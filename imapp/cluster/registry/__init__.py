"""The registry: the living nodes and their connections, and who is online."""
