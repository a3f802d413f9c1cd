"""`wait`: for scripts that go on when runs have finished."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import Any

import click

from orchestrator.cli.completion import complete_run
from orchestrator.cli.terminal import Terminal, terminal
from orchestrator.cli.times import parse_duration
from orchestrator.ledger import Ledger, open_ledger
from orchestrator.reports.runs import run_object
from orchestrator.runs.states import State
from orchestrator.store.runs import Run
from orchestrator.sweeps.overview import Overview

_BETWEEN = (State.QUEUED, State.RUNNING, State.PAUSED, State.COLLECTING)
"""States worth waiting for, other than final ones."""


@click.command()
@click.argument("runs", metavar="RUN|SWEEP...", nargs=-1, required=True, shell_complete=complete_run)
@click.option("--timeout", type=parse_duration, metavar="TIME", help="Stop waiting after this time: 90s, 30m, 2h.")
@click.option("--any", "is_any", is_flag=True, help="Wait until one of them has finished, not all.")
@click.option(
    "--state",
    type=click.Choice([str(each) for each in _BETWEEN]),
    help="Wait only until they are in this state or beyond it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line for each run as it ends.")
def wait(runs: tuple[str, ...], timeout: float | None, is_any: bool, state: str | None, as_json: bool) -> None:
    """Wait until runs and sweeps have finished, for scripts.

    \b
    ftorch submit jobs/drone.toml --detach
    ftorch wait drone --timeout 2h && ftorch evaluate drone

    A name means its newest run; the name of a sweep means the sweep. If another process follows the runs, this
    command only watches; otherwise it follows them, as ftorch resume does. Each run gets a line on stderr as it
    ends. The model ids are the last lines of stdout.

    Exits with status 0 if everything succeeded or reached the state; with 1 if a run failed or was cancelled, if a
    sweep has no succeeded trial, or after the timeout; with 4 if something waits for you: it is paused or on hold,
    or it is unknown whether its job exists. With --any, what has finished first decides.
    """
    from orchestrator.api.waiting import wait as wait_for

    with open_ledger() as ledger, terminal(shown_by=partial(_JsonLines, ledger) if as_json else Terminal) as host:
        wait_for(ledger, runs, host, timeout=timeout, is_any=is_any, state=State(state) if state else None)


class _JsonLines(Terminal):
    """Shows each run as a JSON object on stdout, once, and no model ids."""

    def __init__(self, ledger: Ledger, **options: Any) -> None:
        super().__init__(**options)
        self._ledger = ledger
        self._shown: set[str] = set()

    def show_runs(self, ended: Sequence[Run]) -> None:
        for run in ended:
            self.show_trial(run)

    def show_trial(self, run: Run) -> None:
        if run.id not in self._shown:
            self._shown.add(run.id)
            click.echo(json.dumps(run_object(run, self._ledger.progress([run.id]).get(run.id))))

    def show_sweep(self, found: Overview) -> None:
        self.show_runs([record.run for record in found.trials])
