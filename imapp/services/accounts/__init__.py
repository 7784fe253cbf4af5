"""Accounts: registration, log-in, sessions, profiles, erasure and export."""
