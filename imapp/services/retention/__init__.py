"""Deletion of what is older than the settings allow."""
