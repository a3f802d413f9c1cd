"""Alembic's environment. It uses the engine that ftorch passes in, or FTORCH_DATABASE_URL for developers."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from typing import Any

from alembic import context
from alembic.migration import MigrationContext, MigrationInfo
from sqlalchemy import Connection, Engine, create_engine

from orchestrator.errors import DatabaseError
from orchestrator.store.schema import metadata


def engine() -> Engine:
    given = context.config.attributes.get("engine")
    return given if given is not None else create_engine(os.environ["FTORCH_DATABASE_URL"])


def enforce_foreign_keys(connection: Connection, word: str) -> None:
    """Turn SQLite's foreign keys ON or OFF. SQLite ignores this inside a transaction."""
    if connection.dialect.name == "sqlite":
        connection.connection.cursor().execute(f"PRAGMA foreign_keys={word}")


def check_foreign_keys(
    ctx: MigrationContext, step: MigrationInfo, heads: Collection[Any], run_args: Mapping[str, Any]
) -> None:
    """Raise DatabaseError, which undoes the migration, if it left a reference without its row."""
    if ctx.dialect.name != "sqlite" or ctx.connection is None:
        return
    broken = ctx.connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if broken is not None:
        problem = f"the upgrade to {step.up_revision_id} would leave rows of {broken[0]} without their {broken[2]}"
        raise DatabaseError(place=ctx.connection.engine.url.database, problem=problem)


with engine().connect().execution_options(ftorch_write=True) as connection:
    # To change a column, SQLite's batch mode copies the table and drops the old one, which foreign keys forbid.
    enforce_foreign_keys(connection, "OFF")
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=True,
        transaction_per_migration=True,
        transactional_ddl=True,
        on_version_apply=check_foreign_keys,
    )
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
    enforce_foreign_keys(connection, "ON")
