"""Alembic's environment: it runs on the engine that ftorch hands over, or on FTORCH_DATABASE_URL for developers."""

from __future__ import annotations

import os

from alembic import context
from sqlalchemy import Engine, create_engine

from orchestrator.store.schema import metadata


def engine() -> Engine:
    given = context.config.attributes.get("engine")
    return given if given is not None else create_engine(os.environ["FTORCH_DATABASE_URL"])


with engine().connect().execution_options(ftorch_write=True) as connection:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=True,
        transaction_per_migration=True,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
