"""account and time of the paid request, and indexes for many runs

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
        batch.drop_index("ix_runs_sweep_id")
        batch.create_index("ix_runs_sweep_id_state", ["sweep_id", "state"])
        batch.create_index("ix_runs_finished_at", ["finished_at"])
        batch.create_index("ix_runs_training_sha256", ["training_sha256"])
    op.create_index("ix_events_run_id_created_at_position", "events", ["run_id", "created_at", "position"])


def downgrade() -> None:
    op.drop_index("ix_events_run_id_created_at_position", "events")
    with op.batch_alter_table("runs") as batch:
        batch.drop_index("ix_runs_training_sha256")
        batch.drop_index("ix_runs_finished_at")
        batch.drop_index("ix_runs_sweep_id_state")
        batch.create_index("ix_runs_sweep_id", ["sweep_id"])
        batch.drop_column("account")
        batch.drop_column("create_not_before")
