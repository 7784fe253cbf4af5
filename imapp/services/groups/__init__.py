"""Groups: their members, roles, bans and requests to join."""
