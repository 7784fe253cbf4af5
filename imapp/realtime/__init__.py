"""The Socket.IO API: receives commands, sends acks and events.

Law of the folder: a handler is one service call. Rules live in services; dispatch.py turns failures into acks.
Importing a module of commands registers its commands.
"""
