"""How runs, sweeps and deployments ended, one line each."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.config import EndpointConfig
from orchestrator.reports.deployments import answering_line, waiting_line
from orchestrator.reports.text import duration, money, printable
from orchestrator.runs.waiting import way_on
from orchestrator.store.deployments import Deployment
from orchestrator.store.runs import Run
from orchestrator.sweeps.overview import Overview
from orchestrator.sweeps.results import TrialState


def run_ending(run: Run) -> str:
    """`run 7k3m9x2a succeeded after 3:07; details: ftorch show 7k3m9x2a`."""
    if run.state == "succeeded":
        took = duration((run.finished_at or run.updated_at) - run.created_at)
        cost = "" if run.cost_usd == 0 else f", cost {money(run.cost_usd)}"
        return f"run {run.id} succeeded after {took}{cost}; details: ftorch show {run.id}"
    if run.state == "paused":
        return f"run {run.id} is paused; {way_on(run)}"
    if run.state == "failed":
        return f"Error: run {run.id} failed: {printable(run.reason)}"
    return f"run {run.id} is {run.state}: {printable(run.reason)}"


def sweep_ending(found: Overview) -> Iterator[str]:
    """The trials that a sweep still waits for, or the reason it has no result; empty if it has a best model."""
    waiting = [record for record in found.trials if record.result.state is TrialState.ACTIVE]
    for record in waiting[:1]:
        more = f" (and {len(waiting) - 1} more)" if len(waiting) > 1 else ""
        reason = printable(record.run.reason)
        yield f"trial {record.trial.number}{more} is {record.run.state}: {reason}"
    if found.best_model is None and not waiting:
        failed = next((each.result for each in found.trials if each.result.state is TrialState.FAILED), None)
        reason = f": {printable(failed.reason)}" if failed else ""
        yield f"Error: sweep {found.sweep.name} has no result{reason}"


def deployment_ending(settled: Deployment, config: EndpointConfig) -> str | None:
    """How to call it and what it costs, that it is being created, or the reason it failed; None if removed."""
    if settled.state == "deployed":
        return answering_line(settled, config)
    if settled.state == "failed":
        return printable(f"Error: the deployment {settled.name} failed: {settled.error_message or settled.reason}")
    return None if settled.is_over else waiting_line(settled)
