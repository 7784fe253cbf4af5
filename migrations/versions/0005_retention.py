"""what retention leaves

Revision: 0005, after 0003.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_COLUMNS = ("first_seq", "first_change")


def upgrade() -> None:
    """Apply. Nodes of the version before, which don't name these columns, go on inserting rows meanwhile."""
    for name in _COLUMNS:
        op.add_column("conversations", sa.Column(name, sa.BigInteger(), server_default="1", nullable=False))


def downgrade() -> None:
    """Undo."""
    for name in reversed(_COLUMNS):
        op.drop_column("conversations", name)
