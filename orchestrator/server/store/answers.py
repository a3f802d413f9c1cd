"""Answers to requests that came with an Idempotency-Key: the same key is answered with the same bytes."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.server.store.database import Database

KEPT_SECONDS = 7 * 24 * 3600


@dataclass(frozen=True)
class KeptAnswer:
    """`request` is the SHA-256 of what was asked, `answer` the JSON text that went back."""

    request: str
    answer: str


class Answers:
    """What was answered under which key, for a week."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, key: str) -> KeptAnswer | None:
        """What this key was answered with, if it was."""
        row = self._database.one("SELECT request, answer FROM answers WHERE key = ?", (key,))
        return KeptAnswer(row["request"], row["answer"]) if row else None

    def keep(self, key: str, given: KeptAnswer, now: int) -> KeptAnswer:
        """Record an answer and return it; where the key was answered meanwhile, that answer."""
        with self._database.write() as connection:
            values = (key, now, given.request, given.answer)
            connection.execute("INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?)", values)
        return self.get(key) or given

    def purge(self, now: float) -> None:
        """Forget what is older than a week."""
        with self._database.write() as connection:
            connection.execute("DELETE FROM answers WHERE created_at < ?", (now - KEPT_SECONDS,))
