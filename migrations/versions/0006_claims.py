"""who asks which model at the moment, and evaluations of whole sweeps

Revision: 0006, after 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("evaluations", sa.Column("sweep_id", sa.String(length=16), nullable=True))
    op.create_index("ix_evaluations_sweep_id", "evaluations", ["sweep_id"])
    op.create_table(
        "claims",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("owner", sa.String(length=160), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_claims")),
    )


def downgrade() -> None:
    op.drop_table("claims")
    op.drop_index("ix_evaluations_sweep_id", "evaluations")
    op.drop_column("evaluations", "sweep_id")
