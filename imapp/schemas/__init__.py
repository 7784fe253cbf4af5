"""The wire format: request bodies and representations, one module for each noun.

Law of the folder: pydantic and the standard library only; no database, no Flask, no settings.
"""
