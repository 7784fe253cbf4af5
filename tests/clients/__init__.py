"""Both official clients against a real server."""
