"""sweeps for each endpoint, and their trials

Revision: 0003, after 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    with op.batch_alter_table("sweeps") as sweeps:  # nothing has written to it yet
        sweeps.drop_constraint(op.f("uq_sweeps_name"), type_="unique")
        sweeps.add_column(sa.Column("endpoint", sa.String(length=64), nullable=False))
        sweeps.add_column(sa.Column("trials", sa.Integer(), nullable=False))
        sweeps.add_column(sa.Column("max_active", sa.Integer(), nullable=True))
        sweeps.add_column(sa.Column("stopped_at", sa.Float(), nullable=True))
        sweeps.create_unique_constraint(op.f("uq_sweeps_name_endpoint"), ["name", "endpoint"])
    op.create_index(op.f("ix_runs_sweep_id"), "runs", ["sweep_id"])
    op.create_table(
        "trials",
        sa.Column("sweep_id", sa.String(length=16), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("repeat", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("run_id", sa.String(length=16), nullable=False),
        sa.Column("retries", sa.Integer(), nullable=False),
        sa.Column("pruned", sa.Text(), nullable=True),
        sa.Column("listed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("sweep_id", "number", name=op.f("pk_trials")),
        sa.ForeignKeyConstraint(["sweep_id"], ["sweeps.id"], name=op.f("fk_trials_sweep_id_sweeps")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_trials_run_id_runs")),
        sa.UniqueConstraint("sweep_id", "fingerprint", name=op.f("uq_trials_sweep_id_fingerprint")),
    )
    op.create_index(op.f("ix_trials_run_id"), "trials", ["run_id"])


def downgrade() -> None:
    op.drop_table("trials")
    op.drop_index(op.f("ix_runs_sweep_id"), "runs")
    with op.batch_alter_table("sweeps") as sweeps:
        sweeps.drop_constraint(op.f("uq_sweeps_name_endpoint"), type_="unique")
        for column in ("stopped_at", "max_active", "trials", "endpoint"):
            sweeps.drop_column(column)
        sweeps.create_unique_constraint(op.f("uq_sweeps_name"), ["name"])
