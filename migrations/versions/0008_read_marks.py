"""time of the last move of a read mark that other users see

Revision: 0008, after 0007.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime().with_variant(mysql.DATETIME(fsp=3), "mysql", "mariadb")


def upgrade() -> None:
    """Apply. Marks moved meanwhile by nodes of the previous version are reported only to connected members."""
    op.add_column("conversations", sa.Column("read_at", _MOMENT, nullable=True))


def downgrade() -> None:
    """Undo."""
    op.drop_column("conversations", "read_at")
