from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from orchestrator.errors import InvalidJobFile
from orchestrator.jobfile import (
    Asha,
    Choices,
    JobFile,
    Median,
    Patience,
    Range,
    Sweep,
    job_from_document,
    load_job_file,
)

HEAD = 'name = "greet"\nmodel = "m"\n[data]\ntraining_file = "train.jsonl"\nvalidation_file = "valid.jsonl"\n'
SPACE = "[sweep.space]\nn_epochs = [1, 2]\n"


def load(folder: Path, text: str, head: str = HEAD) -> JobFile:
    for name in ("train.jsonl", "short.jsonl", "valid.jsonl"):
        (folder / name).touch()
    path = folder / "job.toml"
    path.write_text(head + text, encoding="utf-8")
    return load_job_file(path)


def problems(folder: Path, text: str, head: str = HEAD) -> list[str]:
    """What is wrong with a job file, each problem as "line of `text`: sentence"."""
    with pytest.raises(InvalidJobFile) as caught:
        load(folder, text, head)
    found = []
    for problem in caught.value.problems:
        line, sentence = problem.removeprefix(f"{folder / 'job.toml'}:").split(": ", 1)
        found.append(f"{int(line) - head.count(chr(10))}: {sentence}")
    return found


def test_a_job_file_without_a_sweep_has_none(tmp_path: Path) -> None:
    assert load(tmp_path, "").sweep is None


def test_a_short_sweep_gets_the_defaults(tmp_path: Path) -> None:
    sweep = load(tmp_path, SPACE).sweep
    assert sweep is not None
    assert (sweep.strategy, sweep.trials, sweep.seed, sweep.seeds) == ("grid", None, 0, 1)
    assert (sweep.metric, sweep.checkpoint, sweep.goal, sweep.max_active) == (
        "valid_loss",
        "best",
        "minimize",
        None,
    )
    assert (sweep.max_retries, sweep.points, sweep.stop) == (1, [], None)
    assert sweep.space.axes == {"n_epochs": Choices((1, 2))}


def test_every_axis_is_read_in_one_order_whatever_the_file_says(tmp_path: Path) -> None:
    text = (
        '[method]\ntype = "dpo"\n[sweep]\nstrategy = "random"\ntrials = 3\n[sweep.space]\n'
        'training_file = ["train.jsonl", "short.jsonl"]\nmodel = ["a", "b"]\nseed = { low = 0, high = 9 }\n'
        "beta = { low = 0.1, high = 1 }\nbatch_size = { low = 1, high = 64, log = true }\n"
        'n_epochs = { low = 1, high = 9, step = 2 }\nlearning_rate_multiplier = ["auto", 1]\n'
    )
    sweep = load(tmp_path, text).sweep
    assert sweep is not None
    assert list(sweep.space.axes.items()) == [
        ("n_epochs", Range(1, 9, step=2, whole=True)),
        ("batch_size", Range(1, 64, log=True, whole=True)),
        ("learning_rate_multiplier", Choices(("auto", 1.0))),
        ("beta", Range(0.1, 1.0)),
        ("seed", Range(0, 9, whole=True)),
        ("model", Choices(("a", "b"))),
        ("training_file", Choices(("train.jsonl", "short.jsonl"))),
    ]


def test_a_job_file_is_made_again_of_what_was_recorded_of_it(tmp_path: Path) -> None:
    text = f'[sweep]\nseeds = 2\npoints = [{{ n_epochs = 3 }}]\n{SPACE}[sweep.stop]\nrule = "asha"\n'
    job = load(tmp_path, text)
    (tmp_path / "train.jsonl").unlink()
    again = job_from_document(json.loads(json.dumps(job.document)), job.source)
    assert [getattr(again, key) for key in type(job).model_fields] == [
        getattr(job, key) for key in type(job).model_fields
    ]
    assert again.text is None
    assert again.training_path == job.training_path


def test_the_documented_example_is_valid(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "jobs" / "README.md").read_text(encoding="utf-8")
    [example] = re.findall(r"```toml\n(\[sweep\]\n.*?)```", page, flags=re.DOTALL)
    sweep = load(tmp_path, example).sweep
    assert sweep is not None
    assert {*Sweep.model_fields} - sweep.model_fields_set == {"direction"}


def test_points_are_read(tmp_path: Path) -> None:
    text = "[sweep]\nseeds = 3\npoints = [\n  { n_epochs = 2, learning_rate_multiplier = 1 },\n  {},\n]\n"
    sweep = load(tmp_path, text).sweep
    assert sweep is not None
    assert [point.parameters for point in sweep.points] == [{"n_epochs": 2, "learning_rate_multiplier": 1.0}, {}]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ('rule = "median"\nstartup_trials = 2', Median(rule="median", startup_trials=2)),
        ('rule = "asha"\nreduction_factor = 4', Asha(rule="asha", reduction_factor=4)),
        (
            'rule = "patience"\npatience = 2\ninterval_steps = 5',
            Patience(rule="patience", patience=2, interval_steps=5),
        ),
    ],
)
def test_the_rules_that_stop_trials_are_read(tmp_path: Path, rule: str, expected: object) -> None:
    sweep = load(tmp_path, f"[sweep]\nseeds = 2\n{SPACE}[sweep.stop]\n{rule}\n").sweep
    assert sweep is not None
    assert sweep.stop == expected


AXES = [
    ("n_epochs = 3", "must be a list of values, or a table such as { low = 1, high = 4 }, not 3"),
    ("n_epochs = []", "must not be empty, not []"),
    (
        "n_epochs = [1, 60]",
        'must contain only allowed values: each must be "auto" or a whole number from 1 to 50, not [1, 60]',
    ),
    ("n_epochs = [1, 1]", "must not repeat a value, not [1, 1]"),
    ("n_epochs = { low = 1 }", "must have both low and high; high is missing, not { low = 1 }"),
    ("n_epochs = { low = 3, high = 3 }", "needs low below high, not { low = 3, high = 3 }"),
    (
        "n_epochs = { low = 1, high = 51 }",
        "needs high to be a whole number from 1 to 50, not { low = 1, high = 51 }",
    ),
    (
        "n_epochs = { low = 1.5, high = 3 }",
        "needs low to be a whole number from 1 to 50, not { low = 1.5, high = 3 }",
    ),
    ("n_epochs = { low = 1, high = 3, step = 0.5 }", "needs step to be a whole number above 0 that fits between"),
    ("n_epochs = { low = 1, high = 3, step = 3 }", "needs step to be a whole number above 0 that fits between"),
    ("n_epochs = { low = 1, high = 3, by = 1 }", "must have only the keys low, high, log and step, and no by"),
    (
        "n_epochs = { min = 1, max = 3, log = true }",
        "must have only the keys low, high, log and step, and no max or min, not { min = 1, max = 3, log = true }",
    ),
    ("n_epochs = { low = 1, high = 3, log = 1 }", "must have log = true or false"),
    ('learning_rate_multiplier = { low = "auto", high = 1 }', "needs numbers as low and high"),
    ("learning_rate_multiplier = { low = 0, high = 1, log = true }", "needs low above 0, since log is true"),
    ("learning_rate_multiplier = { low = 0, high = 1 }", "needs low to be a number above 0"),
    (
        "learning_rate_multiplier = { low = 0.1, high = 1, log = true, step = 0.1 }",
        "can't have both log and step",
    ),
    ("model = { low = 1, high = 2 }", "must be a list of values, not { low = 1, high = 2 }"),
    ('model = ["two words"]', "must contain only allowed values: each must be a name in quotes, without spaces"),
    ('seed = ["auto"]', "must contain only allowed values: each must be a whole number from 0 to 2147483647"),
]


@pytest.mark.parametrize(("axis", "expected"), AXES)
def test_an_axis_that_can_not_be_is_told_with_its_place(tmp_path: Path, axis: str, expected: str) -> None:
    [problem] = problems(tmp_path, f'[sweep]\nstrategy = "random"\ntrials = 2\n[sweep.space]\n{axis}\n')
    assert problem.startswith(f"5: sweep.space.{axis.split(' ')[0]} {expected}")


SWEEPS = [
    ("[sweep]\n", "1: sweep.space is empty; add a parameter, such as: n_epochs = [1, 2, 3]"),
    ('[sweep]\nstrategy = "tpe"\ntrials = 3\npoints = [{}]\n', "1: sweep.space is empty; "),
    (
        '[sweep]\nstrategy = "all"\n',
        "2: sweep.strategy must be 'grid', 'random', 'tpe' or 'recommended', not \"all\"",
    ),
    (f"[sweep]\nseeds = 0\n{SPACE}", "2: sweep.seeds must be at least 1, not 0"),
    (f"[sweep]\ntrials = 3\n{SPACE}", '2: sweep.trials is for random and tpe; "grid" has a fixed number'),
    (
        f'[sweep]\nstrategy = "tpe"\n{SPACE}',
        '2: sweep.trials is missing; set the number of combinations for "tpe" to try',
    ),
    (
        f'[sweep]\nstrategy = "random"\ntrials = 3\n{SPACE}',
        "3: sweep.trials is 3, but the space has only 2 combinations; lower it, or use ranges",
    ),
    (
        f'[sweep]\nstrategy = "recommended"\n{SPACE}',
        '3: sweep.space is for grid, random and tpe; "recommended" chooses its own points',
    ),
    (
        "[sweep.space]\nlearning_rate_multiplier = { low = 0.1, high = 1 }\n",
        "2: sweep.space.learning_rate_multiplier is a continuous range, which a grid can't use; give it a step,",
    ),
    (
        "[sweep.space]\nbatch_size = { low = 1, high = 64, log = true }\n",
        "2: sweep.space.batch_size is a continuous range, which a grid can't use; list its values, or",
    ),
    ("[sweep.space]\nbeta = [0.1]\n", '2: sweep.space.beta is for method.type dpo, not "supervised"'),
    (
        "[sweep]\npoints = [{ beta = 0.1 }]\n",
        '2: sweep.points #1: beta is for method.type dpo, not "supervised"',
    ),
    (
        "[sweep]\npoints = [{ n_epochs = 0 }]\n",
        '2: sweep.points #1: n_epochs must be "auto" or a whole number from 1',
    ),
    (
        "[sweep]\npoints = [{}, { n_epoch = 1 }]\n",
        '2: unknown key "n_epoch" in [sweep.points]; did you mean "n_epochs"?',
    ),
    (
        "[sweep]\npoints = [{ n_epochs = 1 }, { n_epochs = 1 }]\n",
        "2: sweep.points #2 is the same as #1; sweep.seeds",
    ),
    ("[sweep]\npoints = 3\n", "2: sweep.points must be a list, not 3"),
    ("[sweep.space]\nn_epoch = [1]\n", '2: unknown key "n_epoch" in [sweep.space]; did you mean "n_epochs"?'),
    (
        "[sweep.space]\nn_epochs = { low = 1, high = 50 }\nbatch_size = { low = 1, high = 256 }\n",
        '1: sweep: it has 12,800 trials, but at most 10,000 are allowed; use strategy = "random" with trials = …',
    ),
    (
        f"[sweep]\nseeds = 2\n{SPACE}seed = [1, 2]\n",
        "2: sweep.seeds sets the seeds of every point",
    ),
    (
        f'[sweep]\ndirection = "maximize"\n{SPACE}',
        '2: sweep.direction must be "minimize" for valid_loss; or leave it out',
    ),
    (
        f'[sweep]\nmetric = "loss"\n{SPACE}',
        "2: sweep.metric must be 'valid_loss', 'valid_accuracy' or 'evaluation', not \"loss\"",
    ),
    (f"{SPACE}[sweep.stop]\n", "3: sweep.stop.rule is missing; it must be set"),
    (
        f'{SPACE}[sweep.stop]\nrule = "luck"\n',
        '4: sweep.stop.rule must be one of median, asha, patience, not "luck"',
    ),
    (
        f'{SPACE}[sweep.stop]\nrule = "asha"\npatience = 3\n',
        '5: unknown key "patience" in [sweep.stop]; known here: interval_steps, reduction_factor,',
    ),
    (
        f'{SPACE}[sweep.stop]\nrule = "asha"\nreduction_factor = 1\n',
        "5: sweep.stop.reduction_factor must be at least 2",
    ),
    (
        f'{SPACE}[sweep.stop]\nrule = "median"\n',
        "3: sweep.stop has no effect: it waits until 4 trials have finished (startup_trials), and",
    ),
    (
        '[sweep.space]\ntraining_file = ["train.jsonl", "shrt.jsonl"]\n',
        "2: sweep.space.training_file: there is no file {folder}/shrt.jsonl; did you mean short.jsonl?",
    ),
    (
        '[sweep]\npoints = [{}, { training_file = "none" }]\n',
        "2: sweep.points #2: there is no file {folder}/none",
    ),
]


@pytest.mark.parametrize(("text", "expected"), SWEEPS)
def test_a_sweep_that_can_not_be_is_told_with_its_place(tmp_path: Path, text: str, expected: str) -> None:
    [problem] = problems(tmp_path, text)
    assert problem.startswith(expected.replace("{folder}", str(tmp_path)))


def test_a_metric_needs_something_to_be_measured_on(tmp_path: Path) -> None:
    head = HEAD.replace('validation_file = "valid.jsonl"\n', "")
    missing = "needs a validation file to be measured on; set data.validation_file"
    assert problems(tmp_path, f'[sweep]\nmetric = "valid_accuracy"\n{SPACE}', head) == [
        f'2: sweep.metric "valid_accuracy" {missing}'
    ]
    stop = f'{SPACE}[sweep.stop]\nrule = "patience"\n'
    assert problems(tmp_path, stop, head) == [f'4: sweep.stop.rule "patience" {missing}']
    load(tmp_path, '[sweep]\npoints = [{ validation_file = "valid.jsonl" }]\n', head)
    load(tmp_path, f'{SPACE}validation_file = ["valid.jsonl"]\n', head)


BY_EVALUATION = [
    ("", "", '2: sweep.metric "evaluation" needs cases to ask; add [evaluation] with a file'),
    (
        "",
        'models = ["base"]',
        '2: sweep.metric "evaluation" needs answers from the trials; add "tuned" to evaluation.models',
    ),
    ("", 'metric = "over_rejection"', '2: sweep.metric "evaluation" can\'t rank by over_rejection'),
    (
        'checkpoint = "best"',
        'metric = "accuracy"',
        '3: sweep.checkpoint "best" is for valid_loss and valid_accuracy',
    ),
    (
        'strategy = "tpe"\ntrials = 2',
        'metric = "accuracy"',
        '3: sweep.strategy "tpe" needs results of earlier trials',
    ),
    ('direction = "minimize"', 'metric = "accuracy"', '3: sweep.direction must be "maximize" for evaluation'),
]


@pytest.mark.parametrize(("sweep", "evaluation", "expected"), BY_EVALUATION)
def test_a_ranking_by_evaluation_that_can_not_be_is_told(
    tmp_path: Path, sweep: str, evaluation: str, expected: str
) -> None:
    table = f'[evaluation]\nfile = "valid.jsonl"\n{evaluation}\n' if evaluation else ""
    [problem] = problems(tmp_path, f'[sweep]\nmetric = "evaluation"\n{sweep}\n{SPACE}{table}')
    assert problem.startswith(expected)


def test_a_ranking_by_evaluation_needs_no_validation_file_unless_a_rule_does(tmp_path: Path) -> None:
    head = HEAD.replace('validation_file = "valid.jsonl"\n', "")
    table = '[evaluation]\nfile = "valid.jsonl"\n'
    found = load(tmp_path, f'[sweep]\nmetric = "evaluation"\n{SPACE}{table}', head).sweep
    assert found is not None
    assert (found.goal, found.by_evaluation) == ("maximize", True)
    stop = f'[sweep]\nmetric = "evaluation"\n{SPACE}[sweep.stop]\nrule = "patience"\n{table}'
    assert problems(tmp_path, stop, head)[0].startswith('6: sweep.stop.rule "patience" needs a validation file')


def test_a_sweep_may_be_evaluated_by_itself_however_it_is_ranked(tmp_path: Path) -> None:
    found = load(tmp_path, f'{SPACE}[evaluation]\nfile = "valid.jsonl"\nauto = true\n')
    assert found.sweep is not None
    assert found.sweep.by_evaluation is False


def test_several_problems_come_at_once(tmp_path: Path) -> None:
    text = "[sweep]\ntrials = 2\nseeds = 2\n[sweep.space]\nbeta = [0.1]\nseed = [1]\n"
    assert [problem.split(":")[0] for problem in problems(tmp_path, text)] == ["2", "3", "5"]


def test_reinforcement_has_axes_of_its_own_and_no_recommended_sweep(tmp_path: Path) -> None:
    method = '[method]\ntype = "reinforcement"\n[method.grader]\ntype = "string_check"\n'
    space = '[sweep.space]\nreasoning_effort = ["low", "high"]\ncompute_multiplier = [0.5, 1]\n'
    sweep = load(tmp_path, method + space).sweep
    assert sweep is not None
    assert len(sweep.space.axes) == 2
    found = problems(tmp_path, f'[sweep]\nstrategy = "recommended"\n{method}')
    assert found == ['2: sweep.strategy "recommended" is only for supervised and dpo; give a space or points']
