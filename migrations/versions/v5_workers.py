"""what many workers look for: the runs that each of them holds

Revision: v5, after v4
"""

from alembic import op

revision = "v5"
down_revision = "v4"


def upgrade() -> None:
    op.create_index("ix_runs_lease_owner", "runs", ["lease_owner"])


def downgrade() -> None:
    op.drop_index("ix_runs_lease_owner", "runs")
