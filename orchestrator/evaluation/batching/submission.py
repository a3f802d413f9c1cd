"""Records batches for the unanswered questions of a plan. Nothing is sent yet."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from sqlalchemy import Connection

from orchestrator.engine.crashpoints import crash_point
from orchestrator.evaluation.asking import Question
from orchestrator.evaluation.batching.inputs import FOLDER, InputFile, write_inputs
from orchestrator.evaluation.batching.states import State
from orchestrator.evaluation.locks import Waiting, asking_lock_names, hold_locks, silent
from orchestrator.evaluation.plan import BATCH, Plan, asked_as, batches, open_questions
from orchestrator.ledger import Ledger
from orchestrator.store import batches as store, evaluations
from orchestrator.store.batches import Batch

_ABANDONED_SECONDS = 86_400.0
"""An unrecorded input file older than this was left by a killed process."""


def record_batches(ledger: Ledger, plan: Plan, waiting: Waiting = silent) -> list[str]:
    """Record batches for every question of the plan that has no answer and is not under way, one or more per model;
    returns their ids and those of the batches with the plan's other unanswered questions.

    Files are written first, then rows, in one transaction that checks again what other processes have put under
    way. If another process is asking these models, this waits for it. Raises OutputUnwritable.
    """
    with hold_locks(ledger, asking_lock_names(plan), waiting):
        return _recorded(
            ledger,
            plan.config.name,
            lambda: open_questions(ledger, plan.config.name, plan.cases.path, plan.settings, plan.grid),
        )


def record_questions(ledger: Ledger, endpoint: str, questions: Sequence[Question]) -> list[str]:
    """The same for the given unanswered questions, which only one process asks at a time."""

    def left() -> Iterator[tuple[Question, str | None]]:
        for some in batches(iter(questions), BATCH):
            keys = [asked_as(question) for question in some]
            with ledger.database.read() as connection:
                known = evaluations.known(connection, endpoint, keys)
                waiting = store.under_way(connection, endpoint, keys)
            yield from ((each, waiting.get(key)) for each, key in zip(some, keys, strict=True) if key not in known)

    return _recorded(ledger, endpoint, left)


Left = Callable[[], Iterable[tuple[Question, str | None]]]
"""The unanswered questions, each with the batch in which it waits, if any."""


def _recorded(ledger: Ledger, endpoint: str, left: Left) -> list[str]:
    folder = ledger.workspace.home / FOLDER
    _tidy(ledger)
    while True:
        others: set[str] = set()
        files = write_inputs(_fresh(left(), others), folder)
        with ledger.database.write() as connection:
            is_ours = not any(_is_taken(connection, endpoint, file) for file in files)
            if is_ours:
                _record(connection, endpoint, files)
                crash_point("before-commit-batches")
        if is_ours:
            crash_point("after-commit-batches")
            return [*(file.id for file in files), *sorted(others)]
        for file in files:
            file.path.unlink(missing_ok=True)


def _fresh(left: Iterable[tuple[Question, str | None]], others: set[str]) -> Iterator[Question]:
    """The questions in no batch; the batches of the others are added to `others`."""
    for question, batch_id in left:
        if batch_id is None:
            yield question
        else:
            others.add(batch_id)


def _is_taken(connection: Connection, endpoint: str, file: InputFile) -> bool:
    """Whether another process has put one of these questions into a batch since they were listed."""
    return any(store.under_way(connection, endpoint, some) for some in batches(iter(file.asked), BATCH))


def _record(connection: Connection, endpoint: str, files: Iterable[InputFile]) -> None:
    now = time.time()
    for file in files:
        batch = Batch(
            id=file.id,
            endpoint=endpoint,
            model=file.model,
            input_path=str(file.path),
            input_sha256=file.sha256,
            questions=len(file.asked),
            state=State.UPLOADING,
            reason="recorded",
            version=1,
            created_at=now,
            updated_at=now,
        )
        store.add(connection, batch, file.asked)


def _tidy(ledger: Ledger) -> None:
    """Delete the input files of ended batches, and old files without a recorded batch."""
    files = {path: path.name.partition(".")[0] for path in (ledger.workspace.home / FOLDER).glob("*")}
    with ledger.database.read() as connection:
        recorded = {batch.id: batch for batch in store.by_ids(connection, set(files.values()))}
    for path, batch_id in files.items():
        batch = recorded.get(batch_id)
        if batch.is_over if batch else path.stat().st_mtime < time.time() - _ABANDONED_SECONDS:
            path.unlink(missing_ok=True)
