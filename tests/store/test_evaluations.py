"""Evaluations, answers and scores as rows."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.store import evaluations
from orchestrator.store.database import Database
from orchestrator.store.evaluations import ASKING, DONE, Evaluation, RecordedAnswer, Score

FIRST = RecordedAnswer("local", "gpt", "a" * 64, 0, {"choices": []}, 0.5, 1000.0)
EVALUATION = Evaluation(
    id="eval0001",
    name="drone",
    job_file=None,
    run_id=None,
    endpoint="local",
    endpoint_type="local",
    file_path="/cases.jsonl",
    file_sha256="b" * 64,
    settings={"models": [], "samples": 1},
    state=DONE,
    scored_with=1,
    created_at=1000.0,
)


def score(case: str, line: int, model: str = "gpt") -> Score:
    return Score("eval0001", model, "full", case, 0, line, "typed", None, {"slices": []})


def test_the_first_answer_to_a_question_stays(database: Database) -> None:
    key = (FIRST.model, FIRST.request_sha256, FIRST.sample)
    with database.write() as connection:
        evaluations.add_answers(connection, [FIRST])
        evaluations.add_answers(connection, [replace(FIRST, completion={"choices": [1]}), replace(FIRST, sample=1)])
    with database.read() as connection:
        assert evaluations.answers_to(connection, "local", [key]) == {key: FIRST}
        assert evaluations.known(connection, "local", [key, ("gpt", "c" * 64, 0)]) == {key}
        assert evaluations.known(connection, "elsewhere", [key]) == set()


def test_scores_come_in_the_order_of_the_file(database: Database) -> None:
    with database.write() as connection:
        evaluations.add(connection, EVALUATION)
        evaluations.add_scores(connection, [score("z", 1), score("b", 10), score("a", 2), score("a", 2, "other")])
        evaluations.add_scores(connection, [score("z", 1)])
    with database.read() as connection:
        found = list(evaluations.scores_of(connection, "eval0001"))
        alone = list(evaluations.scores_of(connection, "eval0001", ("other", "full")))
    assert [(each.line, each.model) for each in found] == [(1, "gpt"), (2, "gpt"), (2, "other"), (10, "gpt")]
    assert [each.case_id for each in alone] == ["a"]


def test_only_what_asks_for_the_same_is_taken_up_again(database: Database) -> None:
    begun = replace(EVALUATION, state=ASKING)
    with database.write() as connection:
        evaluations.add(connection, begun)
        evaluations.add(connection, replace(EVALUATION, id="eval0002"))
        assert evaluations.unfinished(connection, replace(begun, id="new")) == begun
        assert evaluations.unfinished(connection, replace(begun, settings={"models": [], "samples": 2})) is None
        evaluations.settle(connection, replace(begun, state=DONE))
        assert evaluations.unfinished(connection, begun) is None
