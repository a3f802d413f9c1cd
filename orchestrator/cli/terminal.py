"""Driving runs from the command line: with a display, and with Ctrl-C meaning "stop following"."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import asyncio

    from orchestrator.ledger import Ledger
    from orchestrator.runs.context import Listener
    from orchestrator.runs.engine import Supervisor
    from orchestrator.store.runs import Run

INTERRUPTED = 130
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def follow(
    ledger: Ledger,
    runs: Sequence[Run],
    listener: Listener | None = None,
    supervisors: Sequence[Supervisor] = (),
) -> list[Run]:
    """Drive these runs, and those that attendants add, showing them on stderr; return these as they ended.

    Leaves with 130 where the user stopped following before they were over.
    """
    import asyncio

    from orchestrator.reports.live import following
    from orchestrator.reports.text import stderr
    from orchestrator.store import runs as store

    if listener is not None:
        is_stopped = asyncio.run(_drive(ledger, runs, listener, supervisors))
    else:
        with following(ledger, runs, stderr()) as display:
            is_stopped = asyncio.run(_drive(ledger, runs, display, supervisors))
    added = [run_id for each in supervisors for run_id in each.run_ids]
    with ledger.database.read() as connection:
        ended = {run.id: run for run in store.by_ids(connection, sorted({*(run.id for run in runs), *added}))}
    left = [run for run in ended.values() if not run.is_over]
    if is_stopped and left:
        click.echo(_detached(ledger, left), err=True)
        click.get_current_context().exit(INTERRUPTED)
    return [ended[run.id] for run in runs]


async def _drive(
    ledger: Ledger, runs: Sequence[Run], listener: Listener, supervisors: Sequence[Supervisor]
) -> bool:
    """Returns whether a signal ended it."""
    from orchestrator.runs.session import drive

    stop = stop_at_signals()
    ids = [run.id for run in runs]
    await drive(
        ledger.workspace,
        ledger.database,
        ids=ids,
        listener=listener,
        followed=ids,
        stop=stop,
        supervisors=supervisors,
    )
    return stop.is_set()


def stop_at_signals() -> asyncio.Event:
    """An event that Ctrl-C and its like set. A second Ctrl-C does not wait for the request under way."""
    import asyncio

    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def on_signal() -> None:
        stop.set()
        loop.remove_signal_handler(signal.SIGINT)

    for each in _SIGNALS:
        loop.add_signal_handler(each, on_signal)
    return stop


def confirm_cost(may_cost: bool, yes: bool, question: str = "Submit it?") -> None:
    """Ask before what may cost money, unless `yes`. Raises NotConfirmed where there is nobody to ask."""
    if yes or not may_cost:
        return
    from orchestrator.errors import NotConfirmed

    if not sys.stdin.isatty():
        raise NotConfirmed
    click.confirm(question, abort=True, err=True)


def _detached(ledger: Ledger, left: Sequence[Run]) -> str:
    from orchestrator.endpoints import capabilities_of

    endpoints = {run.endpoint for run in left}
    if all(capabilities_of(ledger.workspace.endpoint(name)).outlives_us for name in endpoints):
        return "detached; the job goes on; ftorch resume follows it again"
    return "detached; nothing is lost; the local endpoint rests while no ftorch runs; ftorch resume goes on"


def print_endings(runs: Sequence[Run]) -> None:
    """What became of the runs, on stderr, and their model ids, alone, on stdout. Leaves with 1 where one failed."""
    from orchestrator.reports.text import printable

    for run in runs:
        click.echo(_ending(run), err=True)
    for run in runs:
        if run.fine_tuned_model:
            click.echo(printable(run.fine_tuned_model))
    if any(run.state == "failed" for run in runs):
        click.get_current_context().exit(1)


def _ending(run: Run) -> str:
    from orchestrator.reports.text import duration, money, printable

    if run.state == "succeeded":
        took = duration((run.finished_at or run.updated_at) - run.created_at)
        cost = "" if run.cost_usd == 0 else f", cost {money(run.cost_usd)}"
        return f"run {run.id} succeeded after {took}{cost}; details: ftorch show {run.id}"
    if run.state == "paused":
        return f"run {run.id} is paused; ftorch unpause {run.id} lets it go on"
    if run.state == "failed":
        return f"Error: run {run.id} failed: {printable(run.reason)}"
    return f"run {run.id} is {run.state}: {printable(run.reason)}"
