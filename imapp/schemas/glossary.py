"""The meaning of the field names that many schemas share, for the documents.

A name means one thing on the whole wire. Where a schema needs to say more, its own text is shown instead.
"""

MEANINGS: dict[str, str] = {}
