"""What differs between a terminal and a notebook: asking, showing progress and results, and being stopped.

Everything in `api/` takes a `Host`. The class below shows nothing, asks nobody and is never stopped; the terminal's
is in `cli/terminal.py`, the notebook's in `notebook/host.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

from orchestrator.errors import FtorchError

if TYPE_CHECKING:
    import asyncio

    from orchestrator.config import EndpointConfig
    from orchestrator.dataset.checking.filesets import Announce
    from orchestrator.deployments import context as deployments
    from orchestrator.deployments.recording import Planned
    from orchestrator.evaluation import plan as evaluation, session
    from orchestrator.evaluation.batching import states as batching
    from orchestrator.evaluation.preview import Preview
    from orchestrator.evaluation.results import Results
    from orchestrator.generation import states as generation
    from orchestrator.generation.outcome import Outcome
    from orchestrator.generation.plan import Plan as GenerationPlan
    from orchestrator.ledger import Ledger
    from orchestrator.migration.plan import MigrationPlan
    from orchestrator.rescue import keeping
    from orchestrator.runs import context as runs
    from orchestrator.runs.plan import Plan
    from orchestrator.runs.submission import Outlook
    from orchestrator.store.deployments import Deployment
    from orchestrator.store.runs import Run
    from orchestrator.sweeps.overview import Overview
    from orchestrator.sweeps.plan import SweepPlan
    from orchestrator.sweeps.submission import Changes

T = TypeVar("T")
FAILED, GATE_NOT_MET, WAITS = 1, 3, 4
"""Exit codes of work that ended without an error: a run, a sweep or a deployment failed; an evaluation is below
its gate; a run waits for a person."""


class Host:
    """Who requested the work; it collects failures."""

    def __init__(self) -> None:
        self.exit_code = 0
        """Of the first failure; 0 if nothing failed."""
        self.error: FtorchError | None = None
        """The first error that was shown without ending the work."""
        self.is_observed = False
        """Whether notifications and trackers follow its work already."""

    # --- failing --------------------------------------------------------------------------------------------

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """An error inside is shown at once, and the work continues after it. `Stopped` passes through."""
        try:
            yield
        except FtorchError as error:
            self.show_error(error)
            self.error = self.error or error
            self.failed(error.exit_code)

    def failed(self, exit_code: int = FAILED) -> None:
        """Note a failure: the first one decides how the work ends."""
        self.exit_code = self.exit_code or exit_code

    # --- asking, waiting ------------------------------------------------------------------------------------

    def confirm(self, question: str, refusal: FtorchError | None = None) -> None:
        """Ask before something that may cost money or can't be undone. Raises if the answer is no, and `refusal`
        (else NotConfirmed) if there is no terminal to ask at."""

    def confirm_again(self, question: str, refusal: FtorchError) -> None:
        """Ask before the same content is paid for again. Raises `refusal` if there is no terminal to ask at."""
        raise refusal

    def run(self, work: Callable[[asyncio.Event], Coroutine[Any, Any, T]]) -> tuple[T, bool]:
        """Run `work` to its end; returns its result, and whether the user set its event to stop it."""
        import asyncio

        from orchestrator.engine.worker import run_blocking

        return run_blocking(lambda: work(asyncio.Event())), False

    # --- progress: each gives the listener that receives every step -------------------------------------------

    def checking(self) -> AbstractContextManager[Announce | None]:
        return nullcontext()

    def following(self, ledger: Ledger, followed: Sequence[Run]) -> AbstractContextManager[runs.Listener | None]:
        return nullcontext()

    def changes(self) -> runs.Listener | None:
        """One line per change, for runs that are only cancelled, paused or unpaused."""
        return None

    def asking(self, questions: int) -> AbstractContextManager[session.Listener | None]:
        return nullcontext()

    def batches(self) -> AbstractContextManager[batching.Listener | None]:
        return nullcontext()

    def deployments(self) -> deployments.Listener | None:
        return None

    def generating(self) -> AbstractContextManager[generation.Listener | None]:
        return nullcontext()

    def rescuing(self) -> AbstractContextManager[keeping.Listener | None]:
        return nullcontext()

    # --- results ------------------------------------------------------------------------------------------------

    def say(self, text: str) -> None:
        """A line on the current work."""

    def show_error(self, error: FtorchError) -> None:
        """An error that does not end the work."""

    def show_plan(self, plan: Plan, preview: Preview | None, outlook: Outlook) -> None: ...

    def show_sweep_plan(self, plan: SweepPlan, changes: Changes | None) -> None: ...

    def show_deployment_plan(self, planned: Planned, known: Deployment | None) -> None: ...

    def show_generation_plan(self, plan: GenerationPlan) -> None: ...

    def show_generation(self, outcome: Outcome) -> None:
        """A generation that was carried on."""

    def show_evaluation_plan(self, plan: evaluation.Plan) -> None: ...

    def show_migration_plan(self, plan: MigrationPlan) -> None: ...

    def show_runs(self, ended: Sequence[Run]) -> None:
        """Runs as they ended."""

    def show_trial(self, run: Run) -> None:
        """A trial that ended while its sweep is waited for."""

    def show_sweep(self, found: Overview) -> None:
        """A sweep as it ended."""

    def show_deployment(self, settled: Deployment, config: EndpointConfig) -> None:
        """A deployment that answers, is being created, or failed."""

    def show_results(self, results: Results) -> None:
        """The results of an evaluation that followed its run or sweep."""
