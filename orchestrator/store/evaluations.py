"""Evaluations as rows: the questions, the answers, and the score of each.

An answer belongs to its request, not to an evaluation: asking the same again finds it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, Text, cast, delete, func, insert, select, update

from orchestrator.store.schema import answers, evaluations, scores
from orchestrator.store.upserts import insert_into

WANTED = "wanted"
"""Waits for its run to succeed."""
ASKING = "asking"
DONE = "done"
DROPPED = "dropped"
"""Its run did not succeed, so there is nothing to ask."""


@dataclass(frozen=True)
class Evaluation:
    """One row of `evaluations`; times are seconds since the epoch."""

    id: str
    name: str
    job_file: str | None
    run_id: str | None
    endpoint: str
    endpoint_type: str
    file_path: str
    file_sha256: str
    settings: Mapping[str, Any]
    state: str
    scored_with: int
    """The version of the scoring rules that its scores follow."""
    created_at: float
    finished_at: float | None = None
    sweep_id: str | None = None
    """If it evaluates a whole sweep."""

    def asked(self, model: str) -> bool:
        """Whether the model was among those asked."""
        return any(entry["model"] == model for entry in self.settings["models"])

    @property
    def is_rehearsal(self) -> bool:
        """Whether a stand-in answered in place of the models named: then the answers say nothing about them."""
        return self.endpoint_type == "local" and bool(self.settings.get("rehearsal", True))


@dataclass(frozen=True)
class RecordedAnswer:
    """One row of `answers`; `seconds` is the duration of the answered request."""

    endpoint: str
    model: str
    request_sha256: str
    sample: int
    completion: Mapping[str, Any]
    seconds: float | None
    answered_at: float


@dataclass(frozen=True)
class Score:
    """One row of `scores`."""

    evaluation_id: str
    model: str
    variant: str
    case_id: str
    sample: int
    line: int
    level: str | None
    mistake: str | None
    detail: Mapping[str, Any]


Asked = tuple[str, str, int]
"""The key of an answer on its endpoint: model, SHA-256 of the request, sample."""


def _columns(table: Table, value: type) -> list[ColumnElement[Any]]:
    return [table.c[field.name] for field in fields(value)]


_EVALUATION = _columns(evaluations, Evaluation)
_SCORE = _columns(scores, Score)


# --- reading -----------------------------------------------------------------------------------------------


def newest(
    connection: Connection,
    *,
    name: str | None = None,
    file_sha256: str | None = None,
    states: Collection[str] = (DONE,),
    limit: int | None = None,
) -> list[Evaluation]:
    """At most `limit` evaluations in these states, newest first: all, or those of a name or of a file."""
    query = select(*_EVALUATION).where(evaluations.c.state.in_(states))
    if name is not None:
        query = query.where(evaluations.c.name == name)
    if file_sha256 is not None:
        query = query.where(evaluations.c.file_sha256 == file_sha256)
    rows = connection.execute(query.order_by(evaluations.c.created_at.desc(), evaluations.c.id).limit(limit))
    return [Evaluation(**row._mapping) for row in rows]


def asking(connection: Connection, endpoint: str, model: str, *, limit: int | None = None) -> list[Evaluation]:
    """The finished evaluations on the endpoint that asked this model, at most `limit`, newest first."""
    names_it = cast(evaluations.c.settings, Text).contains(json.dumps(model), autoescape=True)
    query = select(*_EVALUATION).where(evaluations.c.state == DONE, evaluations.c.endpoint == endpoint, names_it)
    rows = connection.execute(query.order_by(evaluations.c.created_at.desc(), evaluations.c.id))
    found = (Evaluation(**row._mapping) for row in rows)
    return list(islice((each for each in found if each.asked(model)), limit))


def starting_with(connection: Connection, key: str) -> list[Evaluation]:
    """The finished evaluations whose id starts with `key`, at most six."""
    query = select(*_EVALUATION).where(
        evaluations.c.state == DONE, evaluations.c.id.startswith(key.lower(), autoescape=True)
    )
    rows = connection.execute(query.order_by(evaluations.c.id).limit(6)) if key else ()
    return [Evaluation(**row._mapping) for row in rows]


def unfinished(connection: Connection, like: Evaluation) -> Evaluation | None:
    """The newest unfinished evaluation of the same questions."""
    begun = newest(connection, name=like.name, file_sha256=like.file_sha256, states=(ASKING,))
    same = (each for each in begun if (each.endpoint, each.settings) == (like.endpoint, like.settings))
    return next(same, None)


def get(connection: Connection, evaluation_id: str) -> Evaluation:
    """The evaluation of this id, which must exist."""
    row = connection.execute(select(*_EVALUATION).where(evaluations.c.id == evaluation_id)).one()
    return Evaluation(**row._mapping)


def wanted_of(connection: Connection, run_ids: Collection[str] | None = None) -> list[Evaluation]:
    """The evaluations that wait for runs, oldest first: for any, or for these."""
    query = select(*_EVALUATION).where(evaluations.c.state == WANTED, evaluations.c.sweep_id.is_(None))
    if run_ids is not None:
        query = query.where(evaluations.c.run_id.in_(run_ids))
    rows = connection.execute(query.order_by(evaluations.c.created_at))
    return [Evaluation(**row._mapping) for row in rows]


def of_sweeps(connection: Connection, state: str, sweep_ids: Collection[str] | None = None) -> list[Evaluation]:
    """The evaluations of whole sweeps in this state, newest first: of any sweep, or of these."""
    query = select(*_EVALUATION).where(evaluations.c.state == state, evaluations.c.sweep_id.is_not(None))
    if sweep_ids is not None:
        query = query.where(evaluations.c.sweep_id.in_(sweep_ids))
    rows = connection.execute(query.order_by(evaluations.c.created_at.desc(), evaluations.c.id))
    return [Evaluation(**row._mapping) for row in rows]


def is_evaluated(connection: Connection, run_id: str) -> bool:
    """Whether an evaluation of the run is done, or waits for it."""
    query = select(evaluations.c.id).where(evaluations.c.run_id == run_id, evaluations.c.state.in_((DONE, WANTED)))
    return connection.execute(query.limit(1)).first() is not None


def answers_to(connection: Connection, endpoint: str, asked: Collection[Asked]) -> dict[Asked, RecordedAnswer]:
    """Those of the answers that are recorded."""
    hashes = {sha256 for _, sha256, _ in asked}
    query = select(*_columns(answers, RecordedAnswer)).where(
        answers.c.endpoint == endpoint,
        answers.c.model.in_({model for model, _, _ in asked}),
        answers.c.request_sha256.in_(hashes),
    )
    found = (RecordedAnswer(**row._mapping) for row in connection.execute(query))
    keyed = {(answer.model, answer.request_sha256, answer.sample): answer for answer in found}
    return {key: keyed[key] for key in asked if key in keyed}


def known(connection: Connection, endpoint: str, asked: Collection[Asked]) -> set[Asked]:
    """Which of these have an answer."""
    columns = (answers.c.model, answers.c.request_sha256, answers.c.sample)
    query = select(*columns).where(
        answers.c.endpoint == endpoint,
        answers.c.model.in_({model for model, _, _ in asked}),
        answers.c.request_sha256.in_({sha256 for _, sha256, _ in asked}),
    )
    return {(row[0], row[1], row[2]) for row in connection.execute(query)} & set(asked)


def scores_of(connection: Connection, evaluation_id: str, of: tuple[str, str] | None = None) -> Iterator[Score]:
    """The scores of an evaluation in the order of its file: all, or those of a model and variant. They are read row
    by row, to save memory."""
    query = select(*_SCORE).where(scores.c.evaluation_id == evaluation_id)
    if of is not None:
        query = query.where(scores.c.model == of[0], scores.c.variant == of[1])
    ordered = query.order_by(scores.c.line, scores.c.model, scores.c.variant, scores.c.sample)
    for row in connection.execute(ordered.execution_options(yield_per=500)):
        yield Score(**row._mapping)


def count_scores(connection: Connection, evaluation_id: str, model: str) -> int:
    """How many scores of a model the evaluation has, in all variants."""
    query = select(func.count()).where(scores.c.evaluation_id == evaluation_id, scores.c.model == model)
    return connection.execute(query).scalar_one()


# --- writing: in a `write()` transaction -------------------------------------------------------------------


def add(connection: Connection, evaluation: Evaluation) -> None:
    connection.execute(insert(evaluations), [asdict(evaluation)])


def settle(connection: Connection, evaluation: Evaluation) -> None:
    """Write the evaluation in place of the one recorded under its id."""
    changes = update(evaluations).where(evaluations.c.id == evaluation.id)
    connection.execute(changes.values(**asdict(evaluation)))


def set_state(connection: Connection, evaluation_id: str, state: str, *, finished_at: float) -> None:
    """Record that the evaluation has finished."""
    changes = update(evaluations).where(evaluations.c.id == evaluation_id)
    connection.execute(changes.values(state=state, finished_at=finished_at))


def set_settings(connection: Connection, evaluation_id: str, settings: Mapping[str, Any]) -> None:
    """Record other settings of the evaluation."""
    connection.execute(update(evaluations).where(evaluations.c.id == evaluation_id).values(settings=dict(settings)))


def add_answers(connection: Connection, found: Sequence[RecordedAnswer]) -> None:
    """Record answers; an existing one, from another process, is kept."""
    if found:
        connection.execute(
            insert_into(connection, answers).on_conflict_do_nothing(), [_row(answer) for answer in found]
        )


def clear_scores(connection: Connection, evaluation_id: str) -> None:
    """Delete the scores of a scoring that did not finish."""
    connection.execute(delete(scores).where(scores.c.evaluation_id == evaluation_id))


def add_scores(connection: Connection, found: Sequence[Score]) -> None:
    """Record scores; an existing one is kept."""
    if found:
        connection.execute(
            insert_into(connection, scores).on_conflict_do_nothing(), [_row(score) for score in found]
        )


def why_unanswered(connection: Connection, evaluation_id: str) -> str:
    """Why the first unanswered question in the file has no answer; "" if every one has."""
    query = (
        select(scores.c.detail)
        .where(scores.c.evaluation_id == evaluation_id, scores.c.mistake == "api_error")
        .order_by(scores.c.line)
        .limit(1)
    )
    detail = connection.execute(query).scalar()
    return str(detail["difference"]["found"]) if detail else ""


def _row(value: RecordedAnswer | Score) -> dict[str, Any]:
    """The fields unchanged: `asdict` would copy the JSON in them leaf by leaf."""
    return {field.name: getattr(value, field.name) for field in fields(value)}
