"""A sweep that is ranked by evaluation: what is wanted, what is due, and how sure the ranking is."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from support.evaluation import recorded
from support.sweeping import Sweeping

from orchestrator.store import evaluations as store
from orchestrator.store.evaluations import DONE, DROPPED, WANTED, Evaluation
from orchestrator.sweeps.evaluation import due, want
from orchestrator.sweeps.overview import Overview, overview
from orchestrator.sweeps.submission import SubmittedSweep

BASE = "gpt-4.1-mini-2025-04-14"
SWEEP = '[sweep]\nmetric = "evaluation"\n[sweep.space]\nn_epochs = [1, 2, 3]\n'
TABLE = '[evaluation]\nfile = "cases.jsonl"\n'
CASES = 30


@pytest.fixture
def submitted(sweeping: Sweeping) -> SubmittedSweep:
    """Three trials that are to be evaluated."""
    write_cases(sweeping, "garden")
    found = sweeping.submit(SWEEP + TABLE)
    want(sweeping.ledger, found.sweep)
    return found


def write_cases(sweeping: Sweeping, *rooms: str) -> None:
    """Cases that stand in no training file."""
    folder = sweeping.project.root / "jobs"
    row = json.loads((folder / "train.jsonl").read_text().splitlines()[0])
    lines = []
    for room in rooms:
        row["messages"][0]["content"] = f"Let there be light in the {room}, whatever it costs"
        lines.append(json.dumps(row) + "\n")
    (folder / "cases.jsonl").write_text("".join(lines))


def states(sweeping: Sweeping) -> dict[str, str]:
    with sweeping.database.read() as connection:
        every = store.newest(connection, states=(WANTED, store.ASKING, DONE, DROPPED))
    return {each.id: each.state for each in every}


def train(sweeping: Sweeping, submitted: SubmittedSweep) -> None:
    for trial in sweeping.trials(submitted):
        sweeping.score(trial, loss=float(trial.number))


def evaluate(sweeping: Sweeping, right: Mapping[str, Iterable[int]], **changes: Any) -> None:
    """Carry out what is wanted: each model has these cases right, of CASES, and no answer to negative ones."""
    [wanted] = due(sweeping.ledger) or [replace(_any(sweeping), id="again001")]
    settings = {
        "models": [{"model": model, "label": "base" if model == BASE else "tuned"} for model in right],
        "variants": ["full"],
        "samples": 1,
        "temperature": 0.0,
        "rejection_tools": [],
    }
    done = replace(wanted, state=DONE, settings=settings | changes)
    scores = [
        recorded(done.id, model, case, "api" if -case in numbers else "typed" if case in numbers else None)
        for model, chosen in right.items()
        for numbers in [set(chosen)]
        for case in range(1, CASES + 1)
    ]
    with sweeping.database.write() as connection:
        if wanted.id == "again001":
            store.add(connection, done)
        store.settle(connection, done)
        store.add_scores(connection, scores)


def _any(sweeping: Sweeping) -> Evaluation:
    with sweeping.database.read() as connection:
        return store.newest(connection, states=(WANTED, DONE))[0]


def seen(sweeping: Sweeping) -> Overview:
    return overview(sweeping.ledger, "greet")


def test_it_is_wanted_once_and_due_when_all_trials_are_over(sweeping: Sweeping, submitted: SubmittedSweep) -> None:
    assert want(sweeping.ledger, submitted.sweep) is None
    first, *others = sweeping.trials(submitted)
    sweeping.score(first, 0.1)
    assert due(sweeping.ledger) == []
    for trial in others:
        sweeping.score(trial, 0.2)
    assert [each.sweep_id for each in due(sweeping.ledger, [submitted.sweep.id])] == [submitted.sweep.id]
    assert due(sweeping.ledger, ["another"]) == []
    assert list(states(sweeping).values()) == [WANTED], "it stays wanted until it is done"


def test_one_of_a_sweep_in_which_nothing_succeeded_is_dropped(
    sweeping: Sweeping, submitted: SubmittedSweep
) -> None:
    for trial in sweeping.trials(submitted):
        sweeping.end(trial, "failed")
    assert due(sweeping.ledger) == []
    assert list(states(sweeping).values()) == [DROPPED]
    assert want(sweeping.ledger, submitted.sweep) is None, "there is nothing to ask"


def test_until_then_nothing_is_ranked_and_that_is_said(sweeping: Sweeping, submitted: SubmittedSweep) -> None:
    train(sweeping, submitted)
    found = seen(sweeping)
    assert (found.ranking.best, found.is_ranked) == (None, False)
    assert {record.result.reason for record in found.trials} == {"it is not evaluated yet"}


def test_the_ranking_goes_by_the_cases_and_says_how_sure_it_is(
    sweeping: Sweeping, submitted: SubmittedSweep
) -> None:
    train(sweeping, submitted)
    right = {BASE: range(1, 6), "model-1": range(1, 11), "model-2": range(1, 28), "model-3": range(1, 26)}
    evaluate(sweeping, right)
    ranking = seen(sweeping).ranking
    assert ranking.best is not None
    assert ranking.best.score is not None
    assert (ranking.metric, ranking.best.score.model, ranking.best.score.value) == ("call_accuracy", "model-2", 0.9)
    assert ranking.best.score.interval is not None
    assert [point.parameters["n_epochs"] for point in ranking.ranked] == [2, 3, 1]
    second, third = (ranking.p_to_first[point.results[0].run_id] for point in ranking.ranked[1:])
    assert second == 0.5, "2 changes"
    assert third == pytest.approx(2 * 2 * 0.5**17), "17 changes, twice as Holm wants it"
    assert "On these cases only 1 of the 2 others can be told apart from the first" in ranking.verdict
    assert (
        "The first is better than the base (0.900 against 0.167, p = below 0.0001, Holm over 3)." in ranking.verdict
    )


def test_what_can_not_be_told_apart_from_the_base_is_said(sweeping: Sweeping, submitted: SubmittedSweep) -> None:
    train(sweeping, submitted)
    evaluate(sweeping, {BASE: range(1, 10), "model-1": range(1, 11), "model-2": range(1, 11), "model-3": [1]})
    verdict = seen(sweeping).ranking.verdict
    assert "The first is not significantly different from the base (0.333 against 0.300" in verdict


def test_a_trial_with_unanswered_questions_is_marked(sweeping: Sweeping, submitted: SubmittedSweep) -> None:
    train(sweeping, submitted)
    evaluate(sweeping, {BASE: [1], "model-1": [*range(1, 20), -30], "model-2": [1], "model-3": [2]})
    best = seen(sweeping).ranking.best
    assert best is not None
    assert best.score is not None
    assert best.score.is_whole is False
    assert best.score.value == pytest.approx(19 / 29)


def test_an_evaluation_that_asked_something_else_does_not_rank(
    sweeping: Sweeping, submitted: SubmittedSweep
) -> None:
    train(sweeping, submitted)
    right = {BASE: [1], "model-1": [1, 2], "model-2": [1], "model-3": [2]}
    evaluate(sweeping, right, samples=3)
    assert seen(sweeping).evaluated is None
    evaluate(sweeping, right)
    assert seen(sweeping).evaluated is not None


def test_it_is_wanted_again_only_where_something_is_new(sweeping: Sweeping, submitted: SubmittedSweep) -> None:
    train(sweeping, submitted)
    evaluate(sweeping, {BASE: [1], "model-1": [1], "model-2": [1], "model-3": [1]})
    assert want(sweeping.ledger, sweeping.submit(SWEEP + TABLE).sweep) is None
    longer = SWEEP.replace("[1, 2, 3]", "[1, 2, 3, 4]")
    assert want(sweeping.ledger, sweeping.submit(longer + TABLE).sweep) is not None


def test_other_cases_are_asked_when_the_job_file_is_submitted_again(
    sweeping: Sweeping, submitted: SubmittedSweep
) -> None:
    train(sweeping, submitted)
    evaluate(sweeping, {BASE: [1], "model-1": [1], "model-2": [1], "model-3": [1]})
    write_cases(sweeping, "garden", "garage")
    assert want(sweeping.ledger, sweeping.submit(SWEEP + TABLE).sweep) is not None


def test_a_sweep_ranked_by_loss_is_wanted_only_with_auto(sweeping: Sweeping) -> None:
    write_cases(sweeping, "garden")
    by_loss = SWEEP.replace('metric = "evaluation"\n', "")
    assert want(sweeping.ledger, sweeping.submit(by_loss + TABLE).sweep) is None
    submitted = sweeping.submit(f"{by_loss}{TABLE}auto = true\n")
    assert want(sweeping.ledger, submitted.sweep) is not None
    train(sweeping, submitted)
    best = seen(sweeping).ranking.best
    assert best is not None
    assert best.trial.parameters == {"n_epochs": 1}
