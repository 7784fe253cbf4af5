"""first numbers kept by retention

Revision: 0005, after 0004.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_COLUMNS = ("first_seq", "first_change")


def upgrade() -> None:
    """Apply. Nodes of the previous version do not name these columns and can still insert rows meanwhile."""
    for name in _COLUMNS:
        op.add_column("conversations", sa.Column(name, sa.BigInteger(), server_default="1", nullable=False))


def downgrade() -> None:
    """Undo."""
    for name in reversed(_COLUMNS):
        op.drop_column("conversations", name)
