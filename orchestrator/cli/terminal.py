"""The terminal as a host: questions and progress on stderr, results on stdout, Ctrl-C to stop waiting."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

import click

from orchestrator.api.host import Host
from orchestrator.cli.output import say_error
from orchestrator.errors import FtorchError, NotConfirmed, Stopped

if TYPE_CHECKING:
    from orchestrator.config import EndpointConfig
    from orchestrator.dataset.checking.filesets import Announce
    from orchestrator.deployments.context import Listener as DeploymentListener
    from orchestrator.deployments.recording import Planned
    from orchestrator.evaluation.batching.states import Listener as BatchListener
    from orchestrator.evaluation.plan import Plan as EvaluationPlan
    from orchestrator.evaluation.preview import Preview
    from orchestrator.evaluation.results import Results
    from orchestrator.evaluation.session import Listener as AskingListener
    from orchestrator.generation.outcome import Outcome
    from orchestrator.generation.plan import Plan as GenerationPlan
    from orchestrator.generation.states import Listener as GenerationListener
    from orchestrator.ledger import Ledger
    from orchestrator.migration.plan import MigrationPlan
    from orchestrator.rescue.keeping import Listener as RescueListener
    from orchestrator.runs.context import Listener
    from orchestrator.runs.plan import Plan
    from orchestrator.runs.submission import Outlook
    from orchestrator.store.deployments import Deployment
    from orchestrator.store.runs import Run
    from orchestrator.sweeps.overview import Overview
    from orchestrator.sweeps.plan import SweepPlan
    from orchestrator.sweeps.submission import Changes

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
T = TypeVar("T")


@contextmanager
def terminal(
    *, yes: bool = False, listener: Listener | None = None, shown_by: Callable[..., Terminal] | None = None
) -> Iterator[Terminal]:
    """The host of one command. If anything failed, the command exits with the status of the first failure.

    Model ids are the last lines of stdout, after the evaluations of their runs, even if those were stopped.
    """
    host = (shown_by or Terminal)(yes=yes, listener=listener)
    try:
        yield host
    finally:
        host.print_models()
    if host.exit_code:
        click.get_current_context().exit(host.exit_code)


class Terminal(Host):
    """`yes` answers every question; `listener` receives the progress of runs instead of the display."""

    def __init__(self, *, yes: bool = False, listener: Listener | None = None) -> None:
        super().__init__()
        self._yes = yes
        self._listener = listener
        self._models: list[str] = []
        """Ids to print at the end."""

    def confirm(self, question: str, refusal: FtorchError | None = None) -> None:
        """Raises `refusal` or NotConfirmed without a terminal to ask at, and what `ask` raises."""
        if self._yes:
            return
        if not sys.stdin.isatty():
            raise refusal or NotConfirmed
        ask(question)

    def confirm_again(self, question: str, refusal: FtorchError) -> None:
        """Asks even with `yes`, which was given before this was known."""
        if not sys.stdin.isatty():
            raise refusal
        ask(question)

    def run(self, work: Callable[[asyncio.Event], Coroutine[Any, Any, T]]) -> tuple[T, bool]:
        async def stoppable() -> tuple[T, bool]:
            stop = stop_at_signals()
            return await work(stop), stop.is_set()

        return asyncio.run(stoppable())

    # --- progress -------------------------------------------------------------------------------------------

    def checking(self) -> AbstractContextManager[Announce | None]:
        from orchestrator.reports.progress import announced

        return announced()

    def following(self, ledger: Ledger, followed: Sequence[Run]) -> AbstractContextManager[Listener]:
        from orchestrator.reports.live import following
        from orchestrator.reports.text import stderr

        return nullcontext(self._listener) if self._listener else following(ledger, followed, stderr())

    def changes(self) -> Listener:
        from orchestrator.reports.live import Lines
        from orchestrator.reports.text import stderr

        return Lines(stderr())

    def asking(self, questions: int) -> AbstractContextManager[AskingListener]:
        from orchestrator.reports.progress import asking_progress
        from orchestrator.reports.text import stderr

        return asking_progress(questions, stderr())

    def batches(self) -> AbstractContextManager[BatchListener]:
        from orchestrator.reports.progress import batch_progress
        from orchestrator.reports.text import stderr

        return batch_progress(stderr())

    def deployments(self) -> DeploymentListener:
        from orchestrator.reports.deployments import DeploymentLines
        from orchestrator.reports.text import stderr

        return DeploymentLines(stderr())

    def generating(self) -> AbstractContextManager[GenerationListener]:
        from orchestrator.reports.generation import generation_progress
        from orchestrator.reports.text import stderr

        return generation_progress(stderr())

    def rescuing(self) -> AbstractContextManager[RescueListener]:
        from orchestrator.reports.rescue import rescue_progress
        from orchestrator.reports.text import stderr

        return rescue_progress(stderr())

    # --- results --------------------------------------------------------------------------------------------

    def say(self, text: str) -> None:
        from orchestrator.reports.text import printable

        click.echo(printable(text), err=True)

    def show_error(self, error: FtorchError) -> None:
        say_error(error)

    def show_plan(self, plan: Plan, preview: Preview | None, outlook: Outlook) -> None:
        from orchestrator.reports.plans import print_plan
        from orchestrator.reports.text import stderr

        print_plan(plan, stderr(), preview, outlook)

    def show_sweep_plan(self, plan: SweepPlan, changes: Changes | None) -> None:
        from orchestrator.reports.sweeps import print_sweep_plan
        from orchestrator.reports.text import stderr

        print_sweep_plan(plan, stderr(), changes)

    def show_deployment_plan(self, planned: Planned, known: Deployment | None) -> None:
        from orchestrator.reports.deployments import print_deployment_plan
        from orchestrator.reports.text import stderr

        print_deployment_plan(planned, known, stderr())

    def show_generation_plan(self, plan: GenerationPlan) -> None:
        from orchestrator.reports.generation import print_generation_plan
        from orchestrator.reports.text import stderr

        print_generation_plan(plan, stderr())

    def show_generation(self, outcome: Outcome) -> None:
        """On stderr: stdout has only model ids."""
        from orchestrator.reports.generation import print_outcome
        from orchestrator.reports.text import stderr

        print_outcome(outcome, stderr(), stderr())

    def show_evaluation_plan(self, plan: EvaluationPlan) -> None:
        from orchestrator.reports.evaluationplan import print_evaluation_plan
        from orchestrator.reports.text import stderr

        print_evaluation_plan(plan, stderr())

    def show_migration_plan(self, plan: MigrationPlan) -> None:
        from orchestrator.reports.migrationplan import print_migration_plan
        from orchestrator.reports.text import stderr

        print_migration_plan(plan, stderr())

    def show_runs(self, ended: Sequence[Run]) -> None:
        """The outcomes on stderr; only the model ids on stdout, at the end."""
        from orchestrator.reports.endings import run_ending

        for run in ended:
            click.echo(run_ending(run), err=True)
        self._models += [run.fine_tuned_model for run in ended if run.fine_tuned_model]

    def show_trial(self, run: Run) -> None:
        from orchestrator.reports.endings import run_ending

        click.echo(run_ending(run), err=True)

    def show_sweep(self, found: Overview) -> None:
        """The ranking on stderr; only the best model id on stdout, at the end."""
        from orchestrator.reports.endings import sweep_ending
        from orchestrator.reports.sweepdetails import print_outcome
        from orchestrator.reports.text import stderr

        print_outcome(found, stderr())
        for line in sweep_ending(found):
            click.echo(line, err=True)
        if found.best_model:
            self._models.append(found.best_model)

    def print_models(self) -> None:
        """The model ids of the shown runs, one per line."""
        if not self._models:
            return
        from orchestrator.reports.text import printable

        for model in self._models:
            click.echo(printable(model))
        self._models = []

    def show_deployment(self, settled: Deployment, config: EndpointConfig) -> None:
        from orchestrator.reports.endings import deployment_ending

        if line := deployment_ending(settled, config):
            click.echo(line, err=True)

    def show_results(self, results: Results) -> None:
        """On stderr: stdout has only model ids."""
        from orchestrator.reports.evaluation import print_results
        from orchestrator.reports.text import stderr

        found = results.evaluation
        print_results(results, stderr(), more=f"ftorch evaluate {found.run_id or found.name} --details")


def ask(question: str) -> None:
    """Ask before anything is done. Raises click.Abort if the answer is no, and Stopped at Ctrl-C."""
    if not confirmed(question):
        raise click.Abort


def confirmed(question: str) -> bool:
    """Whether the answer is yes. Raises Stopped at Ctrl-C."""
    try:
        return click.confirm(question, err=True)
    except click.Abort:
        raise Stopped("stopped; nothing was done") from None


def stop_at_signals() -> asyncio.Event:
    """An event set by Ctrl-C and similar signals. A second Ctrl-C does not wait for the current request."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def on_signal() -> None:
        stop.set()
        loop.remove_signal_handler(signal.SIGINT)

    for each in _SIGNALS:
        loop.add_signal_handler(each, on_signal)
    return stop
