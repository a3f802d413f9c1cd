"""Submitting a sweep, editing its job file, and submitting it again."""

from __future__ import annotations

import shutil
from functools import partial

import pytest
from support.sweeping import GRID, NOW, Sweeping

from orchestrator.errors import SweepNameTaken
from orchestrator.jobfile import load_job_file
from orchestrator.store import runs as run_store, sweeps as store
from orchestrator.sweeps.plan import plan_sweep
from orchestrator.sweeps.submission import SubmittedSweep, add_run, record_sweep

WIDER = "[sweep.space]\nn_epochs = [2, 3, 4]"
PAID = '[endpoints.paid]\ntype = "compatible"\nbase_url = "http://127.0.0.1:9/v1"\n'


def epochs(submitted: SubmittedSweep, sweeping: Sweeping, *, listed: bool = True) -> list[int]:
    return [trial.parameters["n_epochs"] for trial in sweeping.trials(submitted) if trial.listed is listed]


def test_a_sweep_is_recorded_as_one_run_for_each_trial_in_their_order(sweeping: Sweeping) -> None:
    submitted = sweeping.submit()
    runs = [sweeping.run(trial) for trial in sweeping.trials(submitted)]
    assert [run.hyperparameters["n_epochs"] for run in runs] == [1, 2, 3]
    assert [run.created_at for run in runs] == sorted(run.created_at for run in runs)
    assert {run.sweep_id for run in runs} == {submitted.sweep.id}
    assert {run.state for run in runs} == {"pending"}
    assert len({run.fingerprint for run in runs}) == 3


def test_submitted_again_nothing_is_recorded_twice(sweeping: Sweeping) -> None:
    first, again = sweeping.submit(), sweeping.submit()
    assert (len(again.changes.found), again.changes.new, again.changes.removed) == (3, (), ())
    assert not again.changes.begins
    assert again.run_ids == first.run_ids
    assert len(sweeping.runs()) == 3


def test_after_an_edit_known_points_stay_new_ones_join_and_removed_ones_are_named(sweeping: Sweeping) -> None:
    first = sweeping.submit()
    for trial in sweeping.trials(first):
        sweeping.score(trial, 0.5)
    edited = sweeping.submit(WIDER)
    assert [planned.trial.parameters["n_epochs"] for planned in edited.changes.new] == [4]
    assert [trial.parameters["n_epochs"] for trial in edited.changes.removed] == [1]
    assert epochs(edited, sweeping) == [2, 3, 4]
    assert epochs(edited, sweeping, listed=False) == [1]
    assert edited.sweep.trials == 3
    assert len(sweeping.runs()) == 4
    back = sweeping.submit()
    assert not back.changes.begins, "a point that is asked for again was paid already"


def test_a_removed_point_that_has_not_begun_is_not_begun_any_more_and_one_with_a_job_is_left(
    sweeping: Sweeping,
) -> None:
    submitted = sweeping.submit("[sweep.space]\nn_epochs = [1, 2, 3]")
    waiting, training, _ = sweeping.trials(submitted)
    sweeping.train(training, {1: 2.0}, total=10)
    sweeping.submit("[sweep.space]\nn_epochs = [3]")
    assert sweeping.run(waiting).requested_action == "cancel"
    assert sweeping.run(training).requested_action is None


def test_a_removed_point_whose_files_are_going_up_is_not_begun_any_more(sweeping: Sweeping) -> None:
    submitted = sweeping.submit()
    with sweeping.database.write() as connection:
        connection.exec_driver_sql("UPDATE runs SET state = 'uploading'")
    sweeping.submit("[sweep.space]\nn_epochs = [3]")
    assert [sweeping.run(trial).requested_action for trial in sweeping.trials(submitted)] == [
        "cancel",
        "cancel",
        None,
    ]


def test_what_is_asked_for_again_before_it_was_cancelled_goes_on_but_not_what_the_rule_stopped(
    sweeping: Sweeping,
) -> None:
    submitted = sweeping.submit()
    stopped, losing, paused = sweeping.trials(submitted)
    with sweeping.database.write() as connection:
        store.prune(connection, losing, "it was losing")
        for trial, requested_action in ((stopped, "cancel"), (losing, "cancel"), (paused, "pause")):
            run_store.request_action(connection, trial.run_id, requested_action)
    sweeping.submit()
    assert [sweeping.run(trial).requested_action for trial in (stopped, losing, paused)] == [
        None,
        "cancel",
        "pause",
    ]


def test_other_data_makes_other_trials(sweeping: Sweeping) -> None:
    first = sweeping.submit()
    path = sweeping.project.root / "jobs" / "train.jsonl"
    path.write_text(path.read_text().replace("Switch on", "Put on"))
    again = sweeping.submit()
    assert (len(again.changes.new), len(again.changes.removed)) == (3, 3)
    assert not set(again.run_ids) & set(first.run_ids)


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_what_failed_or_was_cancelled_is_tried_again_on_resubmission_with_its_seed(
    state: str, sweeping: Sweeping
) -> None:
    first, *_ = sweeping.trials(sweeping.submit())
    sweeping.end(first, state)
    seed = sweeping.run(first).seed
    again = sweeping.submit()
    assert [trial.number for trial, _ in again.changes.renewed] == [1]
    renewed = sweeping.trials(again)[0]
    assert renewed.run_id != first.run_id
    assert sweeping.run(renewed).seed == seed


def test_what_the_rule_stopped_stays_stopped(sweeping: Sweeping) -> None:
    submitted = sweeping.submit(f'{GRID}\n[sweep.stop]\nrule = "patience"')
    first, *_ = sweeping.trials(submitted)
    with sweeping.database.write() as connection:
        store.prune(connection, first, "it was losing")
    sweeping.end(first, "cancelled")
    again = sweeping.submit(f'{GRID}\n[sweep.stop]\nrule = "patience"')
    assert len(again.changes.found) == 3


def test_repeats_differ_by_their_seeds_and_more_of_them_keep_the_first(sweeping: Sweeping) -> None:
    once = sweeping.submit(model='model = "gpt-4.1-mini"\nseed = 7')
    thrice = sweeping.submit(f"[sweep]\nseeds = 3\n{GRID}", model='model = "gpt-4.1-mini"\nseed = 7')
    assert set(once.run_ids) <= set(thrice.run_ids)
    assert sorted(sweeping.run(trial).seed for trial in sweeping.trials(thrice)) == [7, 7, 7, 8, 8, 8, 9, 9, 9]


def test_a_point_that_says_what_the_job_file_says_anyway_is_no_other_point(sweeping: Sweeping) -> None:
    sweep = f"[sweep]\npoints = [{{ n_epochs = 2, batch_size = 4 }}]\n{GRID}"
    submitted = sweeping.submit(sweep, n_epochs="batch_size = 4")
    assert sorted(run.hyperparameters["n_epochs"] for run in sweeping.runs()) == [1, 2, 3]
    assert [trial.number for trial in sweeping.trials(submitted)] == [1, 2, 3]


def test_the_same_sweep_on_another_endpoint_is_another_sweep(sweeping: Sweeping) -> None:
    (sweeping.project.root / "ftorch.toml").write_text(PAID)
    here, there = sweeping.submit(), sweeping.submit(endpoint="paid")
    assert here.sweep.id != there.sweep.id
    assert not set(here.run_ids) & set(there.run_ids)


def test_a_name_that_another_job_file_uses_is_refused_before_anything_is_recorded(sweeping: Sweeping) -> None:
    sweeping.submit()
    other = sweeping.project.root / "jobs" / "other.toml"
    shutil.copy(other.with_name("greet.toml"), other)
    planned = plan_sweep(load_job_file(other), sweeping.ledger.workspace)
    with pytest.raises(SweepNameTaken, match=r'other.toml: the name "greet" is used by another job file, .*greet'):
        record_sweep(planned, sweeping.database, now=NOW, rng=sweeping.rng)
    assert len(sweeping.runs()) == 3


def test_a_job_file_that_was_moved_keeps_its_sweep(sweeping: Sweeping) -> None:
    sweeping.submit()
    with sweeping.database.write() as connection:
        connection.exec_driver_sql("UPDATE sweeps SET job_file = '/gone/greet.toml'")
        connection.exec_driver_sql("UPDATE runs SET job_file = '/gone/greet.toml'")
    assert len(sweeping.submit().changes.found) == 3


def test_raised_limits_reach_the_trials_that_wait(sweeping: Sweeping) -> None:
    sweeping.submit()
    submitted = sweeping.submit(f"{GRID}\n[limits]\nmax_cost_usd = 9")
    assert {sweeping.run(trial).max_cost_usd for trial in sweeping.trials(submitted)} == {9.0}


def test_a_trial_that_got_another_run_meanwhile_gets_no_second_one(sweeping: Sweeping) -> None:
    trial = sweeping.trials(sweeping.submit())[0]
    planned = sweeping.plan().trials[0]
    with sweeping.database.write() as connection:
        add = partial(add_run, connection, trial, planned, NOW, sweeping.rng, retries=1, reason="tried again")
        assert add() is not None
        assert add() is None
    assert len(sweeping.runs()) == 4
