"""Reading a SQLite database whose folder can't be written: SQLite can't keep its shared memory there."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from sqlalchemy import event

from orchestrator.store.database import Database


class DatabaseCopy(Database):
    """A private copy of the database at `path`, write-ahead log included. `close` removes it.

    Raises OSError if the database can't be read, or its copy can't be written.
    """

    def __init__(self, path: Path) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="ftorch-"))
        try:
            copy = self._folder / path.name
            for suffix in ("", "-wal"):
                source = Path(f"{path}{suffix}")
                if source.exists():
                    shutil.copyfile(source, f"{copy}{suffix}")
            super().__init__(f"sqlite:///{copy}")
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        self.place = str(path)

    def refuse_writing(self) -> None:
        """From now on a write is an error, as it is in the folder itself: it would be lost with the copy."""
        self.engine.dispose()
        event.listen(self.engine, "connect", _refuse_writing)

    def close(self) -> None:
        super().close()
        shutil.rmtree(self._folder, ignore_errors=True)


def _refuse_writing(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA query_only=ON")
