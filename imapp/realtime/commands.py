"""All modules that declare commands, in the order of the AsyncAPI document."""

from importlib import import_module

MODULES = ("messages", "conversations", "sync", "presence", "session")


def register_commands() -> None:
    """Import the modules, which registers their commands."""
    for name in MODULES:
        import_module(f"imapp.realtime.{name}")
