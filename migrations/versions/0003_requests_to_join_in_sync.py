"""requests to join in sync

Revision: 0003, after 0002.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_INDEX = "ix_join_requests_user_id_version"
_MEMBERS_INDEX = "ix_conversation_members_user_id_requests_version"


def upgrade() -> None:
    """Apply. Nodes of the previous version do not name these columns and can still insert rows meanwhile."""
    number = {"server_default": "0", "nullable": False}
    op.add_column("conversation_members", sa.Column("requests_version", sa.BigInteger(), **number))
    op.create_index(_MEMBERS_INDEX, "conversation_members", ["user_id", "requests_version"])
    op.add_column("join_requests", sa.Column("version", sa.BigInteger(), **number))
    op.create_index(_INDEX, "join_requests", ["user_id", "version"])


def downgrade() -> None:
    """Undo. MySQL uses the index for the foreign key, so the index that it first created itself is restored."""
    if op.get_bind().dialect.name != "sqlite":
        op.create_index("fk_join_requests_user_id_users", "join_requests", ["user_id"])
    op.drop_index(_INDEX, "join_requests")
    op.drop_column("join_requests", "version")
    op.drop_index(_MEMBERS_INDEX, "conversation_members")
    op.drop_column("conversation_members", "requests_version")
