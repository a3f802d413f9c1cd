"""batches, their history, and the questions that are under way in them

Revision: 0007, after 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "batches",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("endpoint", sa.String(length=64), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("input_path", sa.Text(), nullable=False),
        sa.Column("input_sha256", sa.String(length=64), nullable=False),
        sa.Column("questions", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.Column("requested_action", sa.String(length=16), nullable=True),
        sa.Column("finished_at", sa.Float(), nullable=True),
        sa.Column("lease_owner", sa.String(length=160), nullable=True),
        sa.Column("lease_expires_at", sa.Float(), nullable=True),
        sa.Column("creation_token", sa.String(length=26), nullable=True),
        sa.Column("creation_started_at", sa.Float(), nullable=True),
        sa.Column("creation_attempts", sa.Integer(), nullable=False),
        sa.Column("creation_open", sa.Boolean(), nullable=False),
        sa.Column("input_file_id", sa.Text(), nullable=True),
        sa.Column("remote_id", sa.Text(), nullable=True),
        sa.Column("remote_status", sa.Text(), nullable=True),
        sa.Column("remote_batch", sa.JSON(), nullable=True),
        sa.Column("completed", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batches")),
        sa.UniqueConstraint("endpoint", "remote_id", name=op.f("uq_batches_endpoint_remote_id")),
    )
    op.create_index(op.f("ix_batches_finished_at"), "batches", ["finished_at"])
    op.create_table(
        "batch_transitions",
        sa.Column("batch_id", sa.String(length=16), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("from_state", sa.String(length=16), nullable=True),
        sa.Column("to_state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("owner", sa.String(length=160), nullable=True),
        sa.PrimaryKeyConstraint("batch_id", "version", name=op.f("pk_batch_transitions")),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], name=op.f("fk_batch_transitions_batch_id_batches")),
    )
    op.create_table(
        "batched_questions",
        sa.Column("endpoint", sa.String(length=64), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("request_sha256", sa.String(length=64), nullable=False),
        sa.Column("sample", sa.Integer(), nullable=False),
        sa.Column("batch_id", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("endpoint", "model", "request_sha256", "sample", name=op.f("pk_batched_questions")),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], name=op.f("fk_batched_questions_batch_id_batches")),
    )
    op.create_index(op.f("ix_batched_questions_batch_id"), "batched_questions", ["batch_id"])


def downgrade() -> None:
    for table in ("batched_questions", "batch_transitions", "batches"):
        op.drop_table(table)
