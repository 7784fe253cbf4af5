"""Databases of several servers."""
