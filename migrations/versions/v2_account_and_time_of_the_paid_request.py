"""when the paid request may be sent, and to which account

Revision: v2, after v1
"""

import sqlalchemy as sa
from alembic import op

revision = "v2"
down_revision = "v1"


def upgrade() -> None:
    with op.batch_alter_table("runs") as batch:
        batch.add_column(sa.Column("create_not_before", sa.Float(), nullable=True))
        batch.add_column(sa.Column("account", sa.Text(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("runs") as batch:
        batch.drop_column("account")
        batch.drop_column("create_not_before")
