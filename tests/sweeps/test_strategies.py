from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from orchestrator.jobfile import Axis, Choices, JobFile, Range, Sweep, load_job_file
from orchestrator.sweeps.points import at, combinations, contains, draws, grid, is_open_weight, known_points, walk
from orchestrator.sweeps.trials import Trial, all_parameters, numbered, point_key, trial_job

RATES = Range(0.1, 2.0, log=True)
EPOCHS = Range(1, 4, whole=True)
SMALL: dict[str, Axis] = {"n_epochs": EPOCHS, "learning_rate_multiplier": Choices((0.5, 1.0, "auto"))}
LARGE: dict[str, Axis] = {"n_epochs": EPOCHS, "learning_rate_multiplier": RATES}


def job(folder: Path, sweep: str, top: str = "", method: str = "") -> JobFile:
    for name in ("train.jsonl", "short.jsonl", "valid.jsonl"):
        (folder / name).touch()
    data = '[data]\ntraining_file = "train.jsonl"\nvalidation_file = "valid.jsonl"\n'
    (folder / "job.toml").write_text(f'name = "greet"\nmodel = "m"\n{top}{data}{method}{sweep}', encoding="utf-8")
    return load_job_file(folder / "job.toml")


def sweep_of(folder: Path, text: str) -> Sweep:
    found = job(folder, text).sweep
    assert found is not None
    return found


# --- axes ---------------------------------------------------------------------------------------------------


def test_a_grid_walks_every_combination_and_its_first_axis_changes_slowest() -> None:
    axes: dict[str, Axis] = {"n_epochs": Range(1, 5, step=2, whole=True), "beta": Range(0.1, 0.3, step=0.1)}
    assert [tuple(point.values()) for point in grid(axes)] == [
        (epochs, beta) for epochs in (1, 3, 5) for beta in (0.1, 0.2, 0.3)
    ]
    assert combinations(axes) == 9
    assert combinations({**axes, "learning_rate_multiplier": RATES}) is None


@pytest.mark.parametrize(
    "axis", [RATES, EPOCHS, Range(1, 64, log=True, whole=True), Range(0.1, 1.05, step=0.1), Choices((1, "auto"))]
)
def test_what_is_drawn_lies_on_the_axis_and_reaches_its_ends(axis: Axis) -> None:
    drawn = [at(axis, share / 1000) for share in range(1000)]
    assert all(contains(axis, value) for value in drawn)
    ends = (axis.values[0], axis.values[-1]) if isinstance(axis, Choices) else (axis.low, axis.top)
    assert drawn[0] == ends[0]
    assert drawn[-1] == ends[1] or drawn[-1] == pytest.approx(ends[1], rel=0.01)


def test_a_logarithmic_axis_spreads_over_its_orders() -> None:
    drawn = [at(Range(0.01, 1.0, log=True), share / 1000) for share in range(1000)]
    assert sum(float(value) < 0.1 for value in drawn) == pytest.approx(500, abs=2)


def test_whole_numbers_on_a_logarithmic_axis_have_a_fair_share_of_it() -> None:
    drawn = Counter(at(Range(1, 3, log=True, whole=True), share / 1000) for share in range(1000))
    assert [drawn[value] for value in (1, 2, 3)] == pytest.approx([565, 262, 173], abs=2)


@pytest.mark.parametrize(
    ("axis", "value"),
    [(EPOCHS, 5), (EPOCHS, 2.5), (EPOCHS, "auto"), (Range(0.0, 1.0, step=0.25), 0.3), (Choices((1, 2)), 3)],
)
def test_what_is_not_on_an_axis_is_told(axis: Axis, value: float | str) -> None:
    assert not contains(axis, value)


def test_steps_that_binary_numbers_miss_are_met() -> None:
    axis = Range(0.1, 1.05, step=0.1)
    assert walk(axis) == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    assert axis.top == pytest.approx(1.0)


# --- strategies ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axes", [SMALL, LARGE])
def test_a_random_order_is_decided_by_its_seed_and_goes_on_where_it_ended(axes: dict[str, Axis]) -> None:
    first = list(islice(draws(axes, 1), 10))
    assert list(islice(draws(axes, 1), 5)) == first[:5]
    assert list(islice(draws(axes, 2), 10)) != first
    keys = {point_key(point) for point in first}
    assert len(keys) == 10
    assert not keys & {point_key(point) for point in islice(draws(axes, 1, keys), 2)}


def test_a_small_space_is_drawn_to_its_end() -> None:
    assert len(list(draws(SMALL, 1))) == 12


def test_draws_are_the_same_in_every_python() -> None:
    assert list(islice(draws(LARGE, 5), 2)) == [
        {"n_epochs": 1, "learning_rate_multiplier": 0.1137},
        {"n_epochs": 3, "learning_rate_multiplier": 0.1807},
    ]


def test_drawn_values_are_spread_evenly() -> None:
    found = Counter(point["n_epochs"] for point in islice(draws(LARGE, 1), 2000))
    assert min(found.values()) > 420


def test_points_come_first_and_none_comes_twice(tmp_path: Path) -> None:
    text = "[sweep]\npoints = [{ n_epochs = 2 }, { n_epochs = 9 }]\n[sweep.space]\nn_epochs = [1, 2]\n"
    assert known_points(sweep_of(tmp_path, text), examples=100, model="m") == [
        {"n_epochs": 2},
        {"n_epochs": 9},
        {"n_epochs": 1},
    ]


def test_random_draws_as_many_as_asked_besides_the_points(tmp_path: Path) -> None:
    space = "[sweep.space]\nn_epochs = [1, 2, 3, 4, 5]\n"
    text = f'[sweep]\nstrategy = "random"\ntrials = 3\npoints = [{{ n_epochs = 2 }}]\n{space}'
    points = known_points(sweep_of(tmp_path, text), examples=100, model="m")
    assert points[0] == {"n_epochs": 2}
    assert len({point_key(point) for point in points}) == 4


def test_tpe_knows_its_points_only(tmp_path: Path) -> None:
    text = '[sweep]\nstrategy = "tpe"\ntrials = 3\npoints = [{}]\n[sweep.space]\nn_epochs = [1, 2, 3]\n'
    assert known_points(sweep_of(tmp_path, text), examples=100, model="m") == [{}]


@pytest.mark.parametrize(
    ("examples", "model", "expected"),
    [
        (50, "gpt-4.1-mini", [(4, 0.3), (4, 0.1), (4, 0.5), (5, 0.3), (3, 0.3)]),
        (259, "gpt-4.1-mini", [(2, 1.0), (2, 0.5), (2, 1.5), (3, 1.0), (1, 1.0)]),
        (500, "gpt-4.1-mini", [(2, 1.0), (2, 0.5), (2, 1.5), (1, 1.0)]),
        (2000, "gpt-4.1-mini", [(1, 1.0), (1, 0.5), (1, 1.5)]),
        (259, "meta-llama/Llama-3.3-70B", [(2, 0.35), (2, 0.2), (2, 0.5), (3, 0.35), (1, 0.35)]),
    ],
)
def test_the_recommended_sweep_fits_the_size_of_the_data(
    tmp_path: Path, examples: int, model: str, expected: list[tuple[int, float]]
) -> None:
    points = known_points(sweep_of(tmp_path, '[sweep]\nstrategy = "recommended"\n'), examples=examples, model=model)
    assert [(point["n_epochs"], point["learning_rate_multiplier"]) for point in points] == expected


def test_open_weight_models_are_known_by_their_families() -> None:
    assert is_open_weight("gpt-oss-20b")
    assert is_open_weight("ft:Qwen3-32B:org::1")
    assert not is_open_weight("gpt-4.1-mini-2025-04-14")


# --- trials -------------------------------------------------------------------------------------------------


def test_all_points_come_once_before_any_is_repeated() -> None:
    trials = list(numbered([{"n_epochs": 1}, {"n_epochs": 2}], seeds=2, first=5))
    assert [(trial.number, trial.parameters["n_epochs"], trial.repeat) for trial in trials] == [
        (5, 1, 0),
        (6, 2, 0),
        (7, 1, 1),
        (8, 2, 1),
    ]


def test_a_fingerprint_depends_on_parameters_and_repeat_alone() -> None:
    trial = Trial(1, {"n_epochs": 1, "beta": 0.1})
    assert Trial(9, {"beta": 0.1, "n_epochs": 1}).fingerprint == trial.fingerprint
    assert Trial(1, {"n_epochs": 1, "beta": 0.2}).fingerprint != trial.fingerprint
    assert Trial(1, {"n_epochs": 1, "beta": 0.1}, repeat=1).fingerprint != trial.fingerprint


def test_a_trial_is_a_job_file_of_its_own(tmp_path: Path) -> None:
    base = job(
        tmp_path,
        "[sweep.space]\nn_epochs = [1]\n",
        'seed = 2147483647\nsuffix = "s"\n',
        "[method]\nbatch_size = 4\n",
    )
    trial = Trial(3, {"n_epochs": 7, "model": "other", "training_file": "short.jsonl"}, repeat=2)
    found = trial_job(base, trial)
    assert (found.sweep, found.name, found.suffix, found.model) == (None, "greet", "s", "other")
    assert found.method.hyperparameters == {"n_epochs": 7, "batch_size": 4, "learning_rate_multiplier": "auto"}
    assert found.training_path == tmp_path / "short.jsonl"
    assert found.validation_path == tmp_path / "valid.jsonl"
    assert found.seed == 1


def test_a_seed_is_of_the_point_or_the_job_file_or_drawn(tmp_path: Path) -> None:
    base = job(tmp_path, "")
    assert trial_job(base, Trial(1, {}, repeat=1)).seed is None
    assert trial_job(base, Trial(1, {"seed": 5})).seed == 5


def test_what_a_point_does_not_say_the_job_file_says(tmp_path: Path) -> None:
    assert all_parameters(job(tmp_path, "", method="[method]\nn_epochs = 3\n"), {"batch_size": 2}) == {
        "n_epochs": 3,
        "batch_size": 2,
        "learning_rate_multiplier": "auto",
        "model": "m",
        "training_file": "train.jsonl",
        "validation_file": "valid.jsonl",
    }
