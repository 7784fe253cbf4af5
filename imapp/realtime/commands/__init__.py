"""The commands of the Socket.IO API: a module for each noun. A handler is one service call."""

from importlib import import_module

#: In the order of the AsyncAPI document.
MODULES = ("messages", "conversations", "sync", "presence", "connection")


def register_commands() -> None:
    """Import the modules, which registers the commands that they declare."""
    for name in MODULES:
        import_module(f"{__name__}.{name}")
