"""names that look alike

Revision: 0007, after 0006.
"""

import sqlalchemy as sa
from alembic import op

from imapp.services.accounts.usernames import digest

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_SLICE = 1000

_users = sa.table(
    "users",
    sa.column("id", sa.BigInteger()),
    sa.column("username_key", sa.String()),
    sa.column("name_digest", sa.String()),
)


def upgrade() -> None:
    """Apply. Of existing names that look alike, the oldest gets the digest. Names added by older nodes get none."""
    op.add_column("users", sa.Column("name_digest", sa.String(length=64), nullable=True))
    seen: set[str] = set()
    last = 0
    while found := op.get_bind().execute(_next(last)).all():
        noted = [{"of": row.id, "digest": digest(row.username_key)} for row in found]
        new = [one for one in noted if one["digest"] not in seen and not seen.add(one["digest"])]
        if new:
            of, value = sa.bindparam("of"), sa.bindparam("digest")
            op.get_bind().execute(sa.update(_users).where(_users.c.id == of).values(name_digest=value), new)
        last = found[-1].id
    op.create_index("uq_users_name_digest", "users", ["name_digest"], unique=True)


def downgrade() -> None:
    """Undo."""
    op.drop_index("uq_users_name_digest", "users")
    op.drop_column("users", "name_digest")


def _next(last: int) -> sa.Select:
    wanted = sa.select(_users.c.id, _users.c.username_key).where(_users.c.id > last)
    return wanted.order_by(_users.c.id).limit(_SLICE)
