"""A cheap mark that differs after every change of the database, by any process."""

from __future__ import annotations

from collections.abc import Hashable

from orchestrator.store.database import Database, driver_connection


class ChangeMark:
    """Holds one connection: SQLite counts, for each connection, the commits of all others. For one thread at a
    time."""

    def __init__(self, database: Database) -> None:
        """Raises DatabaseError."""
        self._database = database
        with database.explained():
            self._connection = database.engine.connect()

    def read(self) -> Hashable:
        """Equal marks mean that the same is recorded. Locks nothing. Raises DatabaseError.

        SQLite: https://www.sqlite.org/pragma.html#pragma_data_version. On PostgreSQL it is the snapshot, by which
        the server decides what is visible; other databases of the same server change it too.
        """
        with self._database.explained():
            if self._database.is_sqlite:
                row = driver_connection(self._connection).execute("PRAGMA data_version").fetchone()
            else:
                row = self._connection.exec_driver_sql("SELECT pg_current_snapshot()::text").fetchone()
                self._connection.rollback()
            return str(row)

    def close(self) -> None:
        self._connection.close()
