"""who submitted what, tags, notes, archived and deleted runs, stages of models, exports, notifications

Revision: v4, after v3
"""

import sqlalchemy as sa
from alembic import op

revision = "v4"
down_revision = "v3"


def upgrade() -> None:
    op.add_column("runs", sa.Column("archived_at", sa.Float(), nullable=True))
    op.add_column("runs", sa.Column("deleted_at", sa.Float(), nullable=True))
    op.drop_index("ix_runs_sweep_id_state", "runs")
    op.create_index(
        "ix_runs_sweep_id_state_archived_at_deleted_at", "runs", ["sweep_id", "state", "archived_at", "deleted_at"]
    )
    op.create_index("ix_runs_name_created_at", "runs", ["name", "created_at"])
    op.create_index("ix_runs_sweep_id_created_at", "runs", ["sweep_id", "created_at"])
    op.create_index("ix_models_created_at", "models", ["created_at"])
    op.drop_index("ix_runs_training_sha256", "runs")
    op.create_index("ix_runs_training_sha256_created_at", "runs", ["training_sha256", "created_at"])
    op.create_index("ix_runs_model_created_at", "runs", ["model", "created_at"])
    op.create_index("ix_runs_fine_tuned_model", "runs", ["fine_tuned_model"])
    op.create_index("ix_checkpoints_model", "checkpoints", ["model"])
    op.add_column("sweeps", sa.Column("archived_at", sa.Float(), nullable=True))
    op.create_table(
        "job_files",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_job_files")),
    )
    op.create_table(
        "submissions",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("item_id", sa.String(length=16), nullable=False),
        sa.Column("user", sa.String(length=64), nullable=False),
        sa.Column("host", sa.String(length=128), nullable=False),
        sa.Column("git_commit", sa.String(length=64), nullable=True),
        sa.Column("git_clean", sa.Boolean(), nullable=True),
        sa.Column("ftorch_version", sa.String(length=64), nullable=False),
        sa.Column("job_file_sha256", sa.String(length=64), nullable=True),
        sa.Column("at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_file_sha256"], ["job_files.sha256"], name=op.f("fk_submissions_job_file_sha256")
        ),
        sa.PrimaryKeyConstraint("kind", "item_id", name=op.f("pk_submissions")),
    )
    op.create_index("ix_submissions_user", "submissions", ["user"])
    op.create_table(
        "tags",
        sa.Column("run_id", sa.String(length=16), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("value", sa.String(length=256), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_tags_run_id")),
        sa.PrimaryKeyConstraint("run_id", "key", name=op.f("pk_tags")),
    )
    op.create_index("ix_tags_key_value", "tags", ["key", "value"])
    op.create_table(
        "notes",
        sa.Column("run_id", sa.String(length=16), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("user", sa.String(length=64), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_notes_run_id")),
        sa.PrimaryKeyConstraint("run_id", "number", name=op.f("pk_notes")),
    )
    op.create_table(
        "deleted_calls",
        sa.Column("run_id", sa.String(length=16), nullable=False),
        sa.Column("endpoint", sa.String(length=64), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("is_batch", sa.Boolean(), nullable=False),
        sa.Column("day", sa.Float(), nullable=False),
        sa.Column("answers", sa.Integer(), nullable=False),
        sa.Column("uncounted", sa.Integer(), nullable=False),
        sa.Column("prompt_tokens", sa.BigInteger(), nullable=False),
        sa.Column("completion_tokens", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_deleted_calls_run_id")),
        sa.PrimaryKeyConstraint("run_id", "model", "is_batch", "day", name=op.f("pk_deleted_calls")),
    )
    op.create_table(
        "promotions",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("endpoint", sa.String(length=64), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("stage", sa.String(length=16), nullable=False),
        sa.Column("user", sa.String(length=64), nullable=False),
        sa.Column("evaluation_id", sa.String(length=16), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_promotions")),
    )
    op.create_index("ix_promotions_endpoint_model", "promotions", ["endpoint", "model"])
    op.create_index("ix_promotions_name", "promotions", ["name"])
    op.create_table(
        "exports",
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("item_id", sa.String(length=16), nullable=False),
        sa.Column("remote_id", sa.Text(), nullable=True),
        sa.Column("sent", sa.JSON(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("destination", "kind", "item_id", name=op.f("pk_exports")),
    )
    op.create_table(
        "notifications",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("item_id", sa.String(length=16), nullable=False),
        sa.Column("event", sa.String(length=64), nullable=False),
        sa.Column("target", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "item_id", "event", "target", name=op.f("pk_notifications")),
    )
    op.create_index("ix_notifications_state", "notifications", ["state"])


def downgrade() -> None:
    for table in (
        "notifications",
        "exports",
        "promotions",
        "deleted_calls",
        "notes",
        "tags",
        "submissions",
        "job_files",
    ):
        op.drop_table(table)
    op.drop_index("ix_models_created_at", "models")
    op.drop_index("ix_checkpoints_model", "checkpoints")
    op.drop_index("ix_runs_fine_tuned_model", "runs")
    op.drop_index("ix_runs_model_created_at", "runs")
    op.drop_index("ix_runs_training_sha256_created_at", "runs")
    op.create_index("ix_runs_training_sha256", "runs", ["training_sha256"])
    with op.batch_alter_table("sweeps") as batch:
        batch.drop_column("archived_at")
    with op.batch_alter_table("runs") as batch:
        batch.drop_index("ix_runs_sweep_id_created_at")
        batch.drop_index("ix_runs_name_created_at")
        batch.drop_index("ix_runs_sweep_id_state_archived_at_deleted_at")
        batch.create_index("ix_runs_sweep_id_state", ["sweep_id", "state"])
        batch.drop_column("deleted_at")
        batch.drop_column("archived_at")
