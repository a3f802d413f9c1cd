"""when models end, as their endpoints said

Revision: v6, after v5
"""

import sqlalchemy as sa
from alembic import op

revision = "v6"
down_revision = "v5"


def upgrade() -> None:
    op.create_table(
        "model_endings",
        sa.Column("endpoint", sa.String(length=64), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("ends_at", sa.Float(), nullable=False),
        sa.Column("seen_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("endpoint", "model", name=op.f("pk_model_endings")),
    )


def downgrade() -> None:
    op.drop_table("model_endings")
