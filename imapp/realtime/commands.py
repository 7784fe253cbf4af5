"""All modules that declare commands, in the order of the document."""

from importlib import import_module

MODULES = ("messages", "conversations", "sync", "presence", "session")


def register_commands() -> None:
    """Import them, which registers what they declare."""
    for name in MODULES:
        import_module(f"imapp.realtime.{name}")
