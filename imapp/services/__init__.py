"""The business rules and permissions. Only services write to the database and publish events.

Rule for this folder: a public function is one use case and takes the acting user's id first. It checks, changes,
commits and publishes, in that order. No request, no socket, no HTTP here.
"""
