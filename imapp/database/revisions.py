"""The revisions of the tables that this code knows, read from the texts of the migrations.

A node does not load Alembic for this: it would import every migration and more dialects of SQLAlchemy, a tenth of a
node's start.
"""

import re
from functools import cache

from imapp.settings import PROJECT

#: Reads the revision of a database.
CURRENT_REVISION = "SELECT version_num FROM alembic_version"

#: The names that a migration assigns: its own revision, and the one before it (None in the first).
_REVISION = re.compile(r"""^(down_)?revision\b[^=]*=\s*(?:None|["'](\w+)["'])""", re.MULTILINE)


@cache
def known_revisions() -> tuple[frozenset[str], str]:
    """Return all revisions of this code, and the newest one."""
    texts = [file.read_text("utf-8") for file in (PROJECT / "migrations/versions").glob("*.py")]
    found = [match for text in texts for match in _REVISION.findall(text)]
    revisions = frozenset(name for down, name in found if not down)
    (newest,) = revisions - {name for down, name in found if down}
    return revisions, newest
