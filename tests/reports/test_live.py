"""The live display of many runs, drawn on terminals of several sizes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from rich.console import Console

from orchestrator.config import Workspace
from orchestrator.ledger import Ledger
from orchestrator.reports.live import Display, Labels, Lines
from orchestrator.store import runs, sweeps
from orchestrator.store.database import Database
from orchestrator.store.records import Metric
from orchestrator.store.runs import Run, Transition
from orchestrator.store.sweeps import RecordedSweep, RecordedTrial

Screen = Callable[..., Console]
LinesOf = Callable[[Console], list[str]]
MakeRun = Callable[..., Run]
SWEEP = RecordedSweep("sweep001", "drone-sweep", "local", "jobs/drone-sweep.toml", {}, 0, None, 1000.0)


@pytest.fixture
def ledger(database: Database) -> Ledger:
    return Ledger(Workspace, database)  # type: ignore[arg-type]


def recorded(ledger: Ledger, make_run: MakeRun, number: int, *, first: int = 1, expected: int = 0) -> list[Run]:
    """So many waiting trials of one sweep."""
    made = [make_run(sweep_id=SWEEP.id, name=SWEEP.name, reason="waiting for a slot") for _ in range(number)]
    with ledger.database.write() as connection:
        if first == 1:
            sweeps.add(connection, replace(SWEEP, trials=expected or number))
        for place, run in enumerate(made, first):
            runs.add(connection, run, run.reason)
            parameters = {"n_epochs": place, "learning_rate_multiplier": 0.125}
            trial = RecordedTrial(SWEEP.id, place, parameters, 0, f"{place:064}", run.id)
            sweeps.add_trial(connection, trial)
    return made


def move(display: Display, run: Run, state: str, reason: str = "") -> Run:
    over = 2000.0 if state in ("succeeded", "failed", "cancelled") else None
    moved = replace(run, state=state, reason=reason, finished_at=over, creation_started_at=1000.0)
    display.moved(moved, Transition(run.id, 2, run.state, state, reason, 1500.0, None))
    return moved


def train(display: Display, run: Run, step: int) -> Run:
    running = move(display, run, "running")
    display.measured(running, [Metric(run.id, at, 400, 2 / at, None, 3 / at) for at in range(1, step + 1)])
    return running


def seen(display: Display, console: Console, lines_of: LinesOf) -> list[str]:
    before = len(lines_of(console))
    console.print(display)
    return lines_of(console)[before:]


@pytest.mark.parametrize(("width", "height"), [(80, 24), (200, 60), (60, 10)])
def test_it_fits_the_terminal_with_a_line_for_each_run_and_the_rest_summed_up(
    width: int, height: int, ledger: Ledger, make_run: MakeRun, screen: Screen, lines_of: LinesOf
) -> None:
    console = screen(width, height)
    trials = recorded(ledger, make_run, 100)
    display = Display(ledger, trials, console)
    for run in trials[50:55]:
        train(display, run, 100)
    for run in trials[:3]:
        move(display, run, "succeeded")
    lines = seen(display, console, lines_of)
    assert len(lines) == height - 2
    assert max(map(len, lines)) <= width
    assert lines[0].startswith("drone-sweep")
    assert "3/100" in lines[0]
    assert sum(" running " in line for line in lines[1:-1]) == 5
    room = height - 4  # without the header, the last line, and what is kept free
    assert sum("succeeded" in line for line in lines[1:-1]) == min(3, room - 5)
    hidden = 100 - room
    assert lines[-1].startswith(f"and {hidden} more: ")


def test_a_narrow_line_has_parameters_steps_and_validation_loss(
    ledger: Ledger, make_run: MakeRun, screen: Screen, lines_of: LinesOf
) -> None:
    console = screen(80)
    [run] = recorded(ledger, make_run, 1)
    display = Display(ledger, [run], console)
    train(display, run, 100)
    line = seen(display, console, lines_of)[1]
    for part in ("epochs 1, rate 0.125", "running", "100/400", "valid 0.030"):
        assert part in line


def test_a_wide_line_has_the_run_id_a_bar_and_the_course_of_the_losses(
    ledger: Ledger, make_run: MakeRun, screen: Screen, lines_of: LinesOf
) -> None:
    console = screen(200)
    [run] = recorded(ledger, make_run, 1)
    display = Display(ledger, [run], console)
    train(display, run, 100)
    line = seen(display, console, lines_of)[1]
    for part in (run.id, "━", "loss 0.020 █", "valid 0.030 █"):
        assert part in line


def test_a_trial_that_is_drawn_later_comes_into_view(
    ledger: Ledger, make_run: MakeRun, screen: Screen, lines_of: LinesOf
) -> None:
    console = screen(120)
    display = Display(ledger, recorded(ledger, make_run, 1, expected=3), console)
    assert "2 not drawn yet" in seen(display, console, lines_of)[0]
    [new] = recorded(ledger, make_run, 1, first=2)
    train(display, new, 10)
    lines = seen(display, console, lines_of)
    assert "1 not drawn yet" in lines[0]
    assert "epochs 2, rate 0.125" in lines[2]


def test_a_trial_that_is_tried_again_stays_one_line(
    ledger: Ledger, make_run: MakeRun, screen: Screen, lines_of: LinesOf
) -> None:
    console = screen(80)
    [first] = recorded(ledger, make_run, 1)
    display = Display(ledger, [first], console)
    move(display, first, "failed", "server_error")
    second = make_run(sweep_id=SWEEP.id, name=SWEEP.name)
    with ledger.database.write() as connection:
        runs.add(connection, second, "tried again")
        [trial] = sweeps.trials_of(connection, SWEEP.id)
        sweeps.change_run(connection, trial, second.id, retries=1)
    train(display, second, 10)
    lines = seen(display, console, lines_of)
    assert "0/1" in lines[0]
    assert ["epochs 1, rate 0.125" in line and "running" in line for line in lines[1:]] == [True]


def test_what_the_rule_stopped_is_called_pruned(
    ledger: Ledger, make_run: MakeRun, screen: Screen, lines_of: LinesOf
) -> None:
    console = screen(80)
    [run] = recorded(ledger, make_run, 1)
    display = Display(ledger, [run], console)
    with ledger.database.write() as connection:
        [trial] = sweeps.trials_of(connection, SWEEP.id)
        sweeps.prune(connection, trial, "the median is better")
    move(display, run, "cancelled", "pruned: the median is better")
    lines = seen(display, console, lines_of)
    assert "1/1" in lines[0]
    assert "1 pruned" in lines[0]
    assert "pruned     the median is better" in lines[1]


def test_single_runs_are_shown_with_their_ids_and_no_header(
    ledger: Ledger, make_run: MakeRun, screen: Screen, lines_of: LinesOf
) -> None:
    console = screen(80)
    made = [make_run(), make_run()]
    display = Display(ledger, made, console)
    for run in made:
        train(display, run, 100)
    lines = seen(display, console, lines_of)
    assert [line.split()[1] for line in lines] == [run.id for run in made]


def test_no_escape_sequence_of_an_endpoint_or_a_job_file_reaches_the_terminal(
    ledger: Ledger, make_run: MakeRun, screen: Screen, lines_of: LinesOf
) -> None:
    console = screen(80)
    run = make_run(sweep_id=SWEEP.id, name=SWEEP.name)
    with ledger.database.write() as connection:
        sweeps.add(connection, replace(SWEEP, name="drone\x1b[31m", trials=1))
        runs.add(connection, run, "")
        trial = RecordedTrial(SWEEP.id, 1, {"model": "m\x1b[31m"}, 0, "f" * 64, run.id)
        sweeps.add_trial(connection, trial)
    display = Display(ledger, [run], console)
    move(display, run, "failed", "said\x1b[31m")
    display.warned("look\x1b[31m")
    Lines(console, Labels(ledger, [run])).noted(replace(run, state="running", reason="x\x1b[31m"))
    assert "\x1b[31m" not in "".join(seen(display, console, lines_of) + lines_of(console))


def test_a_thousand_finished_trials_keep_one_measurement_each(
    ledger: Ledger, make_run: MakeRun, screen: Screen
) -> None:
    [run] = recorded(ledger, make_run, 1)
    display = Display(ledger, [run], screen())
    running = train(display, run, 400)
    move(display, running, "succeeded")
    [line] = display.lines
    assert [metric.step for metric in line.metrics.values()] == [400]


def test_without_a_terminal_a_trial_says_which_it_is_and_only_how_it_ended(
    ledger: Ledger, make_run: MakeRun, screen: Screen, lines_of: LinesOf
) -> None:
    console = screen(200)
    [run] = recorded(ledger, make_run, 1)
    lines = Lines(console, Labels(ledger, [run]))
    lines.noted(replace(run, reason="waiting for a slot: 2 of 2 are taken"))
    for step in range(1, 401):
        lines.measured(run, [Metric(run.id, step, 400, 2 / step, None, 3 / step)])
    [line] = lines_of(console)
    assert "drone-sweep trial 1 (n_epochs 1, learning_rate_multiplier 0.125)  step 400/400: loss 0.005" in line


def test_what_was_measured_before_a_job_was_seen_running_is_printed_after_that_line(
    ledger: Ledger, make_run: MakeRun, screen: Screen, lines_of: LinesOf
) -> None:
    console = screen(200)
    run = make_run(state="queued")
    lines = Lines(console)
    lines.measured(run, [Metric(run.id, 1, 400, 2.0, None, None)])
    assert lines_of(console) == []
    moved = replace(run, state="running", reason="the endpoint says running")
    lines.moved(moved, Transition(run.id, 2, "queued", "running", moved.reason, 1500.0, None))
    assert [line.partition(f"{run.name}  ")[2] for line in lines_of(console)] == [
        "running: the endpoint says running",
        "step 1/400: loss 2.000",
    ]


def test_the_id_of_a_new_job_does_not_push_its_status_off_the_line(
    ledger: Ledger, make_run: MakeRun, screen: Screen, lines_of: LinesOf
) -> None:
    console = screen(80, 24)
    run = make_run()
    display = Display(ledger, [run], console)
    move(display, run, "queued", f"job ftjob-{'x' * 24} created: the endpoint says validating_files")
    [line] = (each for each in seen(display, console, lines_of) if " queued " in each)
    assert "the endpoint says validating_files" in line
