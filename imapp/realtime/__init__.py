"""The Socket.IO door: commands in, acks out.

Law of the folder: a handler is one service call; rules live in services, failures become answers in dispatch.py.
Importing a module of commands registers them.
"""
