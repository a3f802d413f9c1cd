"""The notebook as a host: asks no questions, shows progress below the cell, and stops when the cell is interrupted.

In Jupyter, runs are one table that is updated in place. Elsewhere, stderr gets the command's display if it is a
terminal, else a line for each change.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from orchestrator.api.host import Host
from orchestrator.config import EndpointConfig
from orchestrator.dataset.checking.filesets import Announce
from orchestrator.deployments.context import Listener as DeploymentListener
from orchestrator.errors import FtorchError
from orchestrator.evaluation.batching.states import Listener as BatchListener
from orchestrator.evaluation.session import Listener as AskingListener
from orchestrator.generation.states import Listener as GenerationListener
from orchestrator.ledger import Ledger
from orchestrator.reports.deployments import DeploymentLines
from orchestrator.reports.endings import deployment_ending, run_ending, sweep_ending
from orchestrator.reports.generation import generation_progress
from orchestrator.reports.live import Lines, following
from orchestrator.reports.progress import asking_progress, batch_progress
from orchestrator.reports.rescue import rescue_progress
from orchestrator.reports.runtable import status_table
from orchestrator.reports.text import printable, stderr
from orchestrator.rescue.keeping import Listener as RescueListener
from orchestrator.runs.context import Listener, NullListener
from orchestrator.store.deployments import Deployment
from orchestrator.store.records import Metric
from orchestrator.store.runs import Run, Transition
from orchestrator.sweeps.overview import Overview

T = TypeVar("T")
_REDRAW_SECONDS = 0.5
"""The table of runs is redrawn at most this often."""
_WIDE = 10_000


class Notebook(Host):
    """`listener` and `deployments` replace the display of runs and of deployments."""

    def __init__(
        self,
        listener: Listener | None = None,
        deployments: DeploymentListener | None = None,
        announce: Announce | None = None,
    ) -> None:
        super().__init__()
        self._listener = listener
        self._deployments = deployments
        self._announce = announce

    @contextmanager
    def raising(self) -> Iterator[Notebook]:
        """At the end, raise the first error that did not stop the other work."""
        yield self
        if self.error is not None:
            raise self.error

    def run(self, work: Callable[[asyncio.Event], Coroutine[Any, Any, T]]) -> tuple[T, bool]:
        """Run in a thread: a notebook's own thread has a running loop and takes the interrupts."""
        loop, stop, is_stopped = asyncio.new_event_loop(), asyncio.Event(), False

        def run() -> T:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                return runner.run(work(stop))

        with ThreadPoolExecutor(max_workers=1) as pool:
            working = pool.submit(run)
            while True:
                try:
                    return working.result(), is_stopped
                except KeyboardInterrupt:
                    if is_stopped or working.done():
                        raise
                    is_stopped = True
                    with suppress(RuntimeError):  # the loop has just ended
                        loop.call_soon_threadsafe(stop.set)

    # --- progress -------------------------------------------------------------------------------------------

    def checking(self) -> AbstractContextManager[Announce | None]:
        return nullcontext(self._announce)

    def following(self, ledger: Ledger, followed: Sequence[Run]) -> AbstractContextManager[Listener]:
        if self._listener is not None:
            return nullcontext(self._listener)
        display = _jupyter_display()
        return (
            nullcontext(LiveTable(ledger, followed, display)) if display else following(ledger, followed, stderr())
        )

    def changes(self) -> Listener:
        return self._listener or Lines(stderr())

    def asking(self, questions: int) -> AbstractContextManager[AskingListener]:
        return asking_progress(questions, stderr())

    def batches(self) -> AbstractContextManager[BatchListener]:
        return batch_progress(stderr())

    def deployments(self) -> DeploymentListener:
        return self._deployments or DeploymentLines(stderr())

    def generating(self) -> AbstractContextManager[GenerationListener]:
        return generation_progress(stderr())

    def rescuing(self) -> AbstractContextManager[RescueListener]:
        return rescue_progress(stderr())

    # --- results: values that the functions return are not printed -------------------------------------------

    def say(self, text: str) -> None:
        print(printable(text), file=sys.stderr)

    def show_error(self, error: FtorchError) -> None:
        self.say(f"Error: {error}")

    def show_runs(self, ended: Sequence[Run]) -> None:
        for run in ended:
            self.say(run_ending(run))

    def show_sweep(self, found: Overview) -> None:
        for line in sweep_ending(found):
            self.say(line)

    def show_deployment(self, settled: Deployment, config: EndpointConfig) -> None:
        if line := deployment_ending(settled, config):
            self.say(line)


class _Handle(Protocol):
    """IPython's handle for updating a displayed object."""

    def update(self, shown: object) -> None: ...


class LiveTable(NullListener):
    """The followed runs as one table below the cell, updated in place.

    `display` shows it the first time, and returns the handle that updates it.
    """

    def __init__(self, ledger: Ledger, runs: Sequence[Run], display: Callable[[object], _Handle]) -> None:
        self._runs = {run.id: run for run in runs}
        self._last = dict(ledger.progress(list(self._runs)))
        self._drawn_at = 0.0
        self._handle = display(self)

    def moved(self, run: Run, transition: Transition) -> None:
        self._runs[run.id] = run
        self._draw(at_once=True)

    def noted(self, run: Run) -> None:
        self._runs[run.id] = run
        self._draw()

    def measured(self, run: Run, metrics: list[Metric]) -> None:
        if metrics:
            self._last[run.id] = metrics[-1]
            self._draw()

    def sending(self, path: Path, sent: int | None, size: int) -> None:
        """Shows nothing: the run's state says that it is uploading."""

    def warned(self, text: str) -> None:
        print(f"Warning: {printable(text)}", file=sys.stderr)

    def _draw(self, *, at_once: bool = False) -> None:
        if at_once or time.monotonic() - self._drawn_at >= _REDRAW_SECONDS:
            self._drawn_at = time.monotonic()
            self._handle.update(self)

    def _repr_html_(self) -> str:
        return status_table(list(self._runs.values()), self._last, time.time(), _WIDE).to_html()


def _jupyter_display() -> Callable[[object], _Handle] | None:
    """In a Jupyter kernel, the function that displays an object below the cell; never imports IPython for it."""
    ipython, display = sys.modules.get("IPython"), sys.modules.get("IPython.display")
    if ipython is None or display is None or not hasattr(ipython.get_ipython(), "kernel"):
        return None
    return partial(display.display, display_id=True)
