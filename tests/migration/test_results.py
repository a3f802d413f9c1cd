"""Successors judged by recorded answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest
from support.evaluation import recorded
from support.recording import TUNED, record_evaluation

from orchestrator.errors import BaselineChanged, EndpointUnreachable, FtorchError, MigrationOverBudget
from orchestrator.jobfile import JobFile
from orchestrator.ledger import Ledger
from orchestrator.migration.baseline import find_baseline
from orchestrator.migration.plan import MigrationPlan, Successor
from orchestrator.migration.results import Migration, Outcome, migration_of
from orchestrator.migration.targets import Target
from orchestrator.reports.migration import rehearsal
from orchestrator.store import evaluations as store
from orchestrator.store.evaluations import Evaluation
from orchestrator.store.runs import Run

Asked = Callable[..., dict[str, Any]]
MakeRun = Callable[..., Run]
CASES = 200
ALL = range(1, CASES + 1)


@pytest.fixture
def migrated(ledger: Ledger, job: JobFile, asked: Asked) -> Callable[..., Migration]:
    """Judges successors, given by label with the cases each got right, or why it has no answers."""
    record_evaluation(ledger, {(TUNED, "full"): ALL}, cases=CASES, **asked(id="baseline"))
    baseline = find_baseline(ledger, job, None, None)

    def ended_as(label: str, given: Any) -> tuple[Successor, Evaluation | FtorchError | None]:
        successor = Successor(Target(label, None, label, label), job)
        if isinstance(given, Run):
            return replace(successor, run=given), None
        is_known = isinstance(given, FtorchError | Evaluation)
        return successor, given if is_known else answers(ledger, asked, label, given)

    def migrate(**ended: Iterable[int] | FtorchError | Run | Evaluation) -> Migration:
        found = [ended_as(label, given) for label, given in ended.items()]
        successors = tuple(successor for successor, _ in found)
        plan = MigrationPlan(job, baseline, successors, "call_accuracy", 0.05, None)
        return migration_of(ledger, plan, found, [1000])

    return migrate


def answers(ledger: Ledger, asked: Asked, label: str, right: Iterable[int]) -> Evaluation:
    model = f"ft:{label}:org::1"
    changes = asked(id=label, endpoint=label, endpoint_type="compatible")
    return record_evaluation(ledger, {(model, "full"): right}, cases=CASES, labels={model: "tuned"}, **changes)


def outcomes(found: Migration) -> list[str]:
    return [str(each.outcome) for each in found.judged]


def test_each_successor_is_judged_on_its_own_answers(migrated: Callable[..., Migration]) -> None:
    found = migrated(good=ALL, bad=range(1, 141), unclear=range(1, 194))
    assert outcomes(found) == [Outcome.NON_INFERIOR, Outcome.INFERIOR, Outcome.UNDECIDED]
    assert [each.label for each in found.non_inferior] == ["good"]
    bad = found.judged[1].answered
    assert bad is not None
    assert (len(bad.broken), len(bad.fixed)) == (60, 0)
    assert bad.judgement is not None
    assert bad.judgement.of == 3


def test_one_that_passes_is_enough(migrated: Callable[..., Migration]) -> None:
    over = MigrationOverBudget(target="c", used="", added="", limit="")
    assert migrated(a=ALL, b=range(1, 141), c=over).exit_code == 0


@pytest.mark.parametrize(
    ("problem", "code"),
    [
        (MigrationOverBudget(target="c", used="", added="", limit=""), 4),
        (BaselineChanged(path="c", evaluation="e"), 3),
        (EndpointUnreachable(endpoint="c", problem="x", onward="y", sent=False), 3),
    ],
)
def test_beside_one_that_does_not_pass_waiting_counts_more_and_failing_less(
    migrated: Callable[..., Migration], problem: FtorchError, code: int
) -> None:
    assert migrated(a=range(1, 141), c=problem).exit_code == code


def test_if_all_fail_the_first_failure_decides(migrated: Callable[..., Migration]) -> None:
    first, second = (
        BaselineChanged(path="c", evaluation="e"),
        EndpointUnreachable(endpoint="c", problem="x", onward="y", sent=False),
    )
    assert migrated(a=first, b=second).exit_code == 2
    assert migrated(a=second, b=first).exit_code == 1


def test_a_run_that_has_not_ended_waits_and_a_failed_one_failed(
    migrated: Callable[..., Migration], make_run: MakeRun
) -> None:
    waiting, failed = make_run(state="paused"), make_run(state="failed", finished_at=1.0, reason="bad data")
    found = migrated(a=waiting, b=failed)
    assert outcomes(found) == ["waits", "failed"]
    assert found.exit_code == 4
    assert found.judged[1].reason == f"run {failed.id} is failed: bad data"


def test_a_question_without_an_answer_counts_as_wrong(
    ledger: Ledger, asked: Asked, migrated: Callable[..., Migration]
) -> None:
    model = "ft:silent:org::1"
    found = answers(ledger, asked, "silent", [])
    with ledger.database.write() as connection:
        store.clear_scores(connection, found.id)
        rows = [recorded(found.id, model, number, "api" if number <= 40 else "typed") for number in ALL]
        store.add_scores(connection, rows)
    judged = migrated(silent=found)
    [successor] = judged.judged
    assert successor.answered is not None
    assert successor.answered.unanswered == 40
    assert successor.answered.judgement is not None
    assert successor.answered.judgement.second.successes == 160
    assert successor.outcome is Outcome.INFERIOR


def test_the_better_successor_comes_first(migrated: Callable[..., Migration]) -> None:
    found = migrated(fair=range(1, 200), good=ALL)
    assert outcomes(found)[1] == Outcome.NON_INFERIOR
    assert [each.label for each in found.non_inferior] == ["good", "fair"]


def test_a_rehearsal_comes_after_every_real_successor(
    migrated: Callable[..., Migration], ledger: Ledger, asked: Asked
) -> None:
    changes = asked(id="tiny", endpoint="local", endpoint_type="local")
    tiny = record_evaluation(ledger, {(TUNED, "full"): ALL}, cases=CASES, **changes)
    found = migrated(local=tiny, fair=range(1, 200))
    assert [each.label for each in found.non_inferior] == ["fair", "local"]
    assert (
        rehearsal(found)
        == "Rehearsal: a tiny local model answered for local; this says nothing about other models."
    )
    assert rehearsal(migrated(good=ALL)) == ""
