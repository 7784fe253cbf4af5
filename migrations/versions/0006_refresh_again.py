"""retry of a refresh after its answer was lost

Revision: 0006, after 0005.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime().with_variant(mysql.DATETIME(fsp=3), "mysql", "mariadb")


def upgrade() -> None:
    """Apply. Nodes of the previous version leave the columns empty: there, a lost answer still ends the session."""
    op.add_column("device_sessions", sa.Column("previous_refresh_hash", sa.String(length=64), nullable=True))
    op.add_column("device_sessions", sa.Column("rotated_at", _MOMENT, nullable=True))


def downgrade() -> None:
    """Undo."""
    op.drop_column("device_sessions", "rotated_at")
    op.drop_column("device_sessions", "previous_refresh_hash")
