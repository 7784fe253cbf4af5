"""consent: which sides have written, how memberships ended, links of groups

Revision: 0011, after 0010.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_INDEX = "ix_chat_groups_owner_id"


def upgrade() -> None:
    """Apply. Nodes of the previous version do not name these columns and can still insert rows meanwhile.

    Old private conversations count as written by both sides: finding out would mean reading all their messages.
    """
    op.add_column("conversations", sa.Column("voices", sa.SmallInteger(), server_default="3", nullable=False))
    op.execute("UPDATE conversations SET voices = 0 WHERE last_seq = 0")
    op.add_column("conversation_members", sa.Column("standing", sa.String(8), nullable=True))
    op.add_column("chat_groups", sa.Column("link_token", sa.String(32), nullable=True))
    op.create_index(_INDEX, "chat_groups", ["owner_id"])


def downgrade() -> None:
    """Undo. MySQL uses the index for the foreign key, so the index that it first created itself is restored."""
    if op.get_bind().dialect.name != "sqlite":
        op.create_index("fk_chat_groups_owner_id_users", "chat_groups", ["owner_id"])
    op.drop_index(_INDEX, "chat_groups")
    op.drop_column("chat_groups", "link_token")
    op.drop_column("conversation_members", "standing")
    op.drop_column("conversations", "voices")
