"""changed profiles

Revision: 0002, after 0001.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply. Nodes of the previous version do not name these columns and can still insert users meanwhile."""
    op.add_column("users", sa.Column("revision", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("users", sa.Column("version", sa.BigInteger(), server_default="0", nullable=False))


def downgrade() -> None:
    """Undo."""
    op.drop_column("users", "version")
    op.drop_column("users", "revision")
