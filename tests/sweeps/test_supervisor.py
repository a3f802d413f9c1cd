"""Looking after a sweep: retries, drawn points, stopped trials, and two processes that do it at once."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from support.sweeping import GRID, NOW, Sweeping

from orchestrator.errors import NoSuchRun, OptunaMissing, UnknownEndpoint
from orchestrator.store import sweeps as store
from orchestrator.sweeps import study
from orchestrator.sweeps.overview import overview
from orchestrator.sweeps.recipes import Recipes
from orchestrator.sweeps.results import TrialState
from orchestrator.sweeps.submission import SubmittedSweep
from orchestrator.sweeps.supervisor import SweepSupervisor, supervisors
from orchestrator.sweeps.tpe import Proposer

TPE = '[sweep]\nstrategy = "tpe"\ntrials = 14\nmax_active = 1\n[sweep.space]\n' + (
    "n_epochs = { low = 1, high = 40 }\nlearning_rate_multiplier = { low = 0.1, high = 2.0, log = true }"
)
MEDIAN = f'{GRID}\nlearning_rate_multiplier = [1, 2]\n[sweep.stop]\nrule = "median"\nstartup_trials = 2'


def loss(parameters: object) -> float:
    assert isinstance(parameters, dict)
    return abs(parameters["n_epochs"] - 17) / 10 + float(parameters["learning_rate_multiplier"])


def play(sweeping: Sweeping, submitted: SubmittedSweep, workers: Sequence[SweepSupervisor], rounds: int) -> None:
    """Each round every worker looks after the sweep, then the first trial under way ends."""
    for _ in range(rounds):
        for worker in workers:
            worker.attend(NOW)
        open_ones = [trial for trial in sweeping.trials(submitted) if not sweeping.run(trial).is_over]
        for trial in open_ones[:1]:
            sweeping.score(trial, loss(trial.parameters))


def points(sweeping: Sweeping, submitted: SubmittedSweep) -> list[dict[str, object]]:
    return [dict(trial.parameters) for trial in sweeping.trials(submitted)]


def stop_at(
    monkeypatch: pytest.MonkeyPatch, sweeping: Sweeping, submitted: SubmittedSweep, owner: type, name: str
) -> None:
    """Have the user stop the sweep while this is called."""
    called = getattr(owner, name)

    def stopping(*arguments: object) -> object:
        with sweeping.database.write() as connection:
            store.stop(connection, submitted.sweep.id, NOW)
        return called(*arguments)

    monkeypatch.setattr(owner, name, stopping)


# --- trying again ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "columns", "is_tried_again"),
    [
        ("failed", {"error_code": "server_error", "job_id": "job-1"}, True),
        ("failed", {"error_code": "InternalServerError", "job_id": "job-1"}, True),
        ("failed", {"error_code": "server_error"}, False),  # refused: there never was a job
        ("failed", {"error_code": "invalid_training_file", "job_id": "job-1"}, False),
        ("failed", {"error_code": "file"}, False),
        ("failed", {"error_code": None, "job_id": "job-1"}, False),
        ("cancelled", {"job_id": "job-1"}, False),
        ("succeeded", {"job_id": "job-1"}, False),
    ],
)
def test_only_what_failed_by_the_endpoints_fault_is_tried_again(
    state: str, columns: dict[str, str], is_tried_again: bool, sweeping: Sweeping
) -> None:
    submitted = sweeping.submit()
    worker, first = sweeping.supervisor(submitted), sweeping.trials(submitted)[0]
    sweeping.end(first, state, **columns)
    worker.attend(NOW)
    now = sweeping.trials(submitted)[0]
    assert (now.run_id != first.run_id) is is_tried_again
    assert now.retries == is_tried_again
    if is_tried_again:
        assert sweeping.run(now).reason == f"tried again: run {first.run_id} failed ({columns['error_code']})"
        assert sweeping.run(now).seed == sweeping.run(first).seed


def test_a_trial_is_tried_again_only_so_often(sweeping: Sweeping) -> None:
    submitted = sweeping.submit(f"[sweep]\nmax_retries = 2\n{GRID}")
    worker = sweeping.supervisor(submitted)
    for _ in range(5):
        sweeping.end(sweeping.trials(submitted)[0], "failed", error_code="server_error", job_id=None)
        with sweeping.database.write() as connection:
            connection.exec_driver_sql("UPDATE runs SET job_id = id WHERE state = 'failed'")
        worker.attend(NOW)
    assert sweeping.trials(submitted)[0].retries == 2
    assert len(sweeping.runs()) == 3 + 2


def test_a_trial_that_failed_while_it_was_being_stopped_is_not_tried_again(sweeping: Sweeping) -> None:
    submitted = sweeping.submit()
    first = sweeping.trials(submitted)[0]
    with sweeping.database.write() as connection:
        store.prune(connection, first, "it was losing")
    sweeping.end(first, "failed", error_code="server_error", job_id="job-1")
    sweeping.supervisor(submitted).attend(NOW)
    assert len(sweeping.runs()) == 3


def test_two_processes_try_a_trial_again_once(sweeping: Sweeping) -> None:
    submitted = sweeping.submit()
    workers = [sweeping.supervisor(submitted) for _ in range(2)]
    for worker in workers:
        worker.attend(NOW)
    sweeping.end(sweeping.trials(submitted)[0], "failed", error_code="server_error", job_id="job-1")
    for worker in workers:
        worker.attend(NOW)
    assert len(sweeping.runs()) == 4


def test_nothing_is_tried_again_in_a_sweep_that_was_stopped_at_that_moment(
    sweeping: Sweeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted = sweeping.submit()
    worker = sweeping.supervisor(submitted)
    sweeping.end(sweeping.trials(submitted)[0], "failed", error_code="server_error", job_id="job-1")
    stop_at(monkeypatch, sweeping, submitted, Recipes, "plan")
    worker.attend(NOW)
    assert len(sweeping.runs()) == 3


def test_a_trial_is_tried_again_with_the_data_that_was_submitted_last(sweeping: Sweeping) -> None:
    worker = sweeping.supervisor(sweeping.submit())
    worker.attend(NOW)
    path = sweeping.project.root / "jobs" / "train.jsonl"
    path.write_text(path.read_text().replace("Switch on", "Put on"))
    edited = sweeping.submit()
    trial = next(trial for trial in sweeping.trials(edited) if trial.listed)
    sweeping.end(trial, "failed", error_code="server_error", job_id="job-1")
    worker.attend(NOW)
    again = sweeping.run(next(each for each in sweeping.trials(edited) if each.number == trial.number))
    assert again.id != trial.run_id
    assert again.training_sha256 == sweeping.run(trial).training_sha256


def test_a_sweep_on_an_endpoint_that_is_gone_keeps_no_other_from_going_on(sweeping: Sweeping) -> None:
    config = sweeping.project.root / "ftorch.toml"
    config.write_text('[endpoints.gone]\ntype = "compatible"\nbase_url = "http://127.0.0.1:9/v1"\n')
    here, there = sweeping.submit(), sweeping.submit(endpoint="gone")
    config.unlink()
    assert [each.run_ids for each in supervisors(sweeping.ledger)] == [list(here.run_ids)]
    assert there.run_ids
    with pytest.raises(UnknownEndpoint):
        supervisors(sweeping.ledger, "greet")


# --- drawing -----------------------------------------------------------------------------------------------


def test_tpe_draws_the_next_point_when_one_is_over_until_there_are_enough(sweeping: Sweeping) -> None:
    pytest.importorskip("optuna")
    submitted = sweeping.submit(TPE)
    worker = sweeping.supervisor(submitted)
    worker.attend(NOW)
    assert len(sweeping.trials(submitted)) == 1
    worker.attend(NOW)
    assert len(sweeping.trials(submitted)) == 1
    play(sweeping, submitted, [worker], 20)
    assert len(sweeping.trials(submitted)) == 14
    assert worker.is_done()
    assert supervisors(sweeping.ledger) == []


def test_a_tpe_sweep_that_goes_on_in_another_process_draws_the_same_points(sweeping: Sweeping) -> None:
    pytest.importorskip("optuna")
    submitted = sweeping.submit(TPE)
    play(sweeping, submitted, [sweeping.supervisor(submitted)], 20)
    whole = points(sweeping, submitted)
    with sweeping.database.write() as connection:
        for table in ("trials", "metrics", "transitions", "runs", "sweeps"):
            connection.exec_driver_sql(f"DELETE FROM {table}")
    again = sweeping.submit(TPE)
    for _ in range(20):
        play(sweeping, again, [sweeping.supervisor(again)], 1)
    assert points(sweeping, again) == whole


def test_two_processes_that_look_after_one_sweep_draw_each_point_once(sweeping: Sweeping) -> None:
    pytest.importorskip("optuna")
    submitted = sweeping.submit(TPE)
    workers = [sweeping.supervisor(submitted) for _ in range(2)]
    play(sweeping, submitted, workers, 20)
    trials = sweeping.trials(submitted)
    assert [trial.number for trial in trials] == list(range(1, 15))
    assert len({trial.fingerprint for trial in trials}) == len(sweeping.runs()) == 14


def test_a_process_that_was_overtaken_while_it_drew_records_nothing(
    sweeping: Sweeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("optuna")
    submitted = sweeping.submit(TPE)
    other, slow, propose = sweeping.supervisor(submitted), sweeping.supervisor(submitted), Proposer.propose

    def overtaken(*arguments: object) -> object:
        monkeypatch.setattr(Proposer, "propose", propose)
        other.attend(NOW)
        return {"n_epochs": 1, "learning_rate_multiplier": 1.0}

    monkeypatch.setattr(Proposer, "propose", overtaken)
    slow.attend(NOW)
    assert len(sweeping.trials(submitted)) == 1
    assert points(sweeping, submitted) != [{"n_epochs": 1, "learning_rate_multiplier": 1.0}]


def test_nothing_is_drawn_in_a_sweep_that_was_stopped_at_that_moment(
    sweeping: Sweeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("optuna")
    submitted = sweeping.submit(TPE)
    worker = sweeping.supervisor(submitted)
    stop_at(monkeypatch, sweeping, submitted, Proposer, "propose")
    worker.attend(NOW)
    assert sweeping.runs() == []


def test_a_sweep_that_has_drawn_nothing_yet_is_found_by_its_name(sweeping: Sweeping) -> None:
    pytest.importorskip("optuna")
    sweeping.submit(TPE)
    assert sweeping.ledger.runs("greet", only_active=True) == []
    with pytest.raises(NoSuchRun):
        sweeping.ledger.runs("unknown")


def test_more_repeats_go_to_the_points_that_were_drawn_and_no_trial_is_added_beyond(sweeping: Sweeping) -> None:
    pytest.importorskip("optuna")
    sweep = TPE.replace("trials = 14", "trials = 2")
    submitted = sweeping.submit(sweep)
    play(sweeping, submitted, [sweeping.supervisor(submitted)], 4)
    assert len(sweeping.trials(submitted)) == 2
    repeated = sweep.replace("trials = 2", "trials = 2\nseeds = 3")
    again = sweeping.submit(repeated)
    assert (len(again.changes.found), len(again.changes.new), again.changes.drawn) == (2, 4, 0)
    play(sweeping, again, [sweeping.supervisor(again)], 8)
    trials = sweeping.trials(again)
    assert len(trials) == again.sweep.trials == 6
    assert len({str(trial.parameters) for trial in trials}) == 2


def test_a_space_without_more_points_ends_the_sweep(sweeping: Sweeping) -> None:
    pytest.importorskip("optuna")
    sweep = (
        '[sweep]\nstrategy = "tpe"\ntrials = 3\npoints = [{ n_epochs = 1 }]\n[sweep.space]\nn_epochs = [1, 2, 3]'
    )
    submitted = sweeping.submit(sweep)
    worker = sweeping.supervisor(submitted)
    for _ in range(6):
        worker.attend(NOW)
        for trial in sweeping.trials(submitted):
            sweeping.score(trial, 1.0)
    assert sweeping.trials(submitted)[0].parameters["n_epochs"] == 1
    assert len(sweeping.trials(submitted)) == overview(sweeping.ledger, "greet").expected == 3
    assert supervisors(sweeping.ledger) == []


def test_nothing_is_drawn_while_nothing_but_failures_come_back(sweeping: Sweeping) -> None:
    pytest.importorskip("optuna")
    submitted = sweeping.submit(TPE)
    worker = sweeping.supervisor(submitted)
    for _ in range(8):
        worker.attend(NOW)
        for trial in sweeping.trials(submitted):
            sweeping.end(trial, "failed", error_code="invalid_hyperparameters", job_id=f"job-{trial.number}")
    assert len(sweeping.trials(submitted)) == 3
    assert overview(sweeping.ledger, "greet").is_over, "it says the same as resume, which finds nothing to do"


def test_a_drawn_run_has_the_files_that_were_checked(sweeping: Sweeping) -> None:
    pytest.importorskip("optuna")
    submitted = sweeping.submit(TPE)
    planned = sweeping.plan(TPE).plans[0].recipe
    sweeping.supervisor(submitted).attend(NOW)
    [run] = sweeping.runs()
    assert (run.training_sha256, run.training_path) == (planned.training.sha256, str(planned.training.path))
    assert planned.validation is not None
    assert (run.validation_sha256, run.examples) == (planned.validation.sha256, planned.training.examples)


def test_points_drawn_before_an_edit_stay_where_they_still_fit(sweeping: Sweeping) -> None:
    pytest.importorskip("optuna")
    submitted = sweeping.submit(TPE)
    play(sweeping, submitted, [sweeping.supervisor(submitted)], 20)
    narrower = TPE.replace("high = 40", "high = 20")
    inside = [point for point in points(sweeping, submitted) if int(str(point["n_epochs"])) <= 20]
    again = sweeping.submit(narrower)
    assert 0 < len(inside) < 14
    assert [dict(trial.parameters) for trial in again.changes.found] == inside
    assert again.changes.drawn == 14 - len(inside)
    assert len(again.changes.removed) == 14 - len(inside)


RATES = "learning_rate = { low = 1e-5, high = 1e-3, log = true }"
HOST = '[endpoints.host]\ntype = "nebius"\n'


def test_tpe_draws_rates_themselves_on_a_logarithmic_scale_for_an_endpoint_that_takes_them(
    sweeping: Sweeping,
) -> None:
    pytest.importorskip("optuna")
    (sweeping.project.root / "ftorch.toml").write_text(HOST)
    text = f'[sweep]\nstrategy = "tpe"\ntrials = 14\nmax_active = 1\n[sweep.space]\n{RATES}'
    submitted = sweeping.submit(text, "host")
    worker = sweeping.supervisor(submitted)
    for _ in range(20):
        worker.attend(NOW)
        for trial in sweeping.trials(submitted):
            if not sweeping.run(trial).is_over:
                sweeping.score(trial, abs(math.log10(float(trial.parameters["learning_rate"])) + 4))
    trials = sweeping.trials(submitted)
    rates = [float(trial.parameters["learning_rate"]) for trial in trials]
    assert len(rates) == 14
    assert all(1e-5 <= rate <= 1e-3 for rate in rates)
    assert sum(rate < 1e-4 for rate in rates) >= 4, "a linear scale would have one in ten below the middle"
    sent = [dict(sweeping.run(trial).hyperparameters) for trial in trials]
    assert [numbers["learning_rate"] for numbers in sent] == rates
    assert not any("learning_rate_multiplier" in numbers for numbers in sent)
    best = min(trials, key=lambda trial: abs(math.log10(float(trial.parameters["learning_rate"])) + 4))
    assert overview(sweeping.ledger, "greet").best_model == f"model-{best.number}"
    assert sweeping.project.ftorch("sweep", "best", "greet").out == f"model-{best.number}\n"
    shown = sweeping.project.ftorch("sweep", "show", "greet").out
    assert f"{float(best.parameters['learning_rate']):.4g}" in shown
    assert "learning_rate" in shown
    assert "multiplier" not in shown


# --- stopping ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", ["learning_rate_multiplier = [1, 2]", "learning_rate = [1e-4, 1e-3]"])
def test_a_losing_trial_is_stopped_with_its_evidence(sweeping: Sweeping, axis: str) -> None:
    pytest.importorskip("optuna")
    (sweeping.project.root / "ftorch.toml").write_text(HOST)
    is_absolute = axis.startswith("learning_rate =")
    submitted = sweeping.submit(
        MEDIAN.replace("learning_rate_multiplier = [1, 2]", axis), "host" if is_absolute else None
    )
    worker = sweeping.supervisor(submitted)
    good, better, loser, winner, *_ = sweeping.trials(submitted)
    falling = {step: 2.0 - step / 100 for step in range(1, 101)}
    for trial in (good, better):
        sweeping.train(trial, falling, total=100)
        worker.attend(NOW)
        sweeping.score(trial, 1.0)
    sweeping.train(loser, dict.fromkeys(range(1, 60), 3.0), total=100)
    sweeping.train(winner, dict.fromkeys(range(1, 60), 0.5), total=100)
    worker.attend(NOW)
    stopped = sweeping.trials(submitted)[2]
    assert sweeping.run(loser).requested_action == "cancel"
    assert stopped.pruned is not None
    assert "the median of the 2 finished trials" in stopped.pruned
    assert (sweeping.trials(submitted)[3].pruned, sweeping.run(winner).requested_action) == (None, None)
    sweeping.end(loser, "cancelled")
    found = overview(sweeping.ledger, "greet")
    assert found.trials[2].result.state is TrialState.PRUNED
    assert found.trials[2].result.reason == stopped.pruned


def test_a_rule_without_optuna_says_what_to_install(sweeping: Sweeping, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("optuna")
    submitted = sweeping.submit(MEDIAN)
    sweeping.train(sweeping.trials(submitted)[0], {1: 2.0}, total=100)
    monkeypatch.setattr(study, "find_spec", lambda name: None)
    with pytest.raises(OptunaMissing, match="median"):
        sweeping.supervisor(submitted).attend(NOW)


def test_a_trial_that_was_faster_than_its_stop_counts_as_it_ended(sweeping: Sweeping) -> None:
    pytest.importorskip("optuna")
    submitted = sweeping.submit(MEDIAN)
    first = sweeping.trials(submitted)[0]
    with sweeping.database.write() as connection:
        connection.exec_driver_sql("UPDATE trials SET pruned = 'it was losing' WHERE number = 1")
    sweeping.score(first, 0.5)
    assert overview(sweeping.ledger, "greet").trials[0].result.state is TrialState.SUCCEEDED


def test_every_process_looks_at_the_same_steps(sweeping: Sweeping) -> None:
    """Decided once, from the first trial that tells its steps: a twentieth of what the longest will have."""
    pytest.importorskip("optuna")
    submitted = sweeping.submit(MEDIAN)
    shortest, *_ = sweeping.trials(submitted)
    sweeping.train(shortest, {1: 2.0}, total=100)
    sweeping.supervisor(submitted).attend(NOW)
    assert overview(sweeping.ledger, "greet").sweep.spec["interval"] == 15, "3 epochs of 100 steps each"
    assert sweeping.submit(MEDIAN).sweep.spec["interval"] == 15


def test_a_sweep_that_was_stopped_is_left_alone(sweeping: Sweeping) -> None:
    pytest.importorskip("optuna")
    submitted = sweeping.submit(TPE)
    with sweeping.database.write() as connection:
        store.stop(connection, submitted.sweep.id, NOW)
    worker = sweeping.supervisor(submitted)
    assert not worker.attend(NOW)
    assert worker.is_done()
    assert supervisors(sweeping.ledger) == []
    assert sweeping.submit(TPE).sweep.stopped_at is None, "submitted again, it goes on"
