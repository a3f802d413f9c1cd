"""What a notebook calls to train and evaluate."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from orchestrator.api import runs
from orchestrator.evaluation.ownership import Ownership, Terms, ownership_of
from orchestrator.evaluation.plan import EvaluationOptions, plan_evaluation
from orchestrator.evaluation.preview import preview
from orchestrator.evaluation.results import Results
from orchestrator.evaluation.unattended import carry_out, carry_out_due
from orchestrator.evaluation.wanted import evaluation_request
from orchestrator.ledger import open_ledger
from orchestrator.runs.context import Listener
from orchestrator.store.runs import Run


def submit(
    job_file: str | Path,
    *,
    endpoint: str | None = None,
    follow: bool = True,
    again: bool = False,
    listener: Listener | None = None,
) -> Run:
    """Submit a job file, follow it to its end, and return the run; `run.fine_tuned_model` is the result.

    The same submission is found again, not paid again, unless `again`. With `follow=False` the run is only
    recorded, and `resume` begins it. Where the job file says `[evaluation] auto = true` the model is evaluated
    afterwards; `evaluate` has the figures. Nobody is asked about cost: look at `plan(job_file).cost` first.

    Raises what `plan`, `preview` and `evaluate` raise, EndpointError where the endpoint can't go on (the run
    stays), and DatabaseError.
    """
    planned = runs.plan(job_file, endpoint=endpoint)
    preview(planned.job, planned.config, [file.file.path for file in planned.files if file.role == "training"])
    requested_action = evaluation_request(planned.job)
    with open_ledger(Path(job_file).parent, create=True) as ledger:
        run = runs.record(planned, ledger, again=again, also=[requested_action] if requested_action else ()).run
        if follow:
            runs.follow_runs(ledger, [run.id], listener)
            carry_out_due(ledger, [run.id])
        return ledger.run(run.id)


def evaluate(
    *targets: str | Path,
    file: str | Path | None = None,
    endpoint: str | None = None,
    models: Sequence[str] | None = None,
    variants: Sequence[str] | None = None,
    samples: int | None = None,
    allow_leak: bool = False,
    batch: bool = False,
) -> Results:
    """Ask models the cases of a file and return their figures; what was answered before is not asked again.

    `targets` are a job file, ids or names of runs, or models. What is not given is what the job file says. It asks
    at once, also where the endpoint charges; with `batch` through the endpoint's Batch API, which may take a day.
    Raises what `plan_evaluation`, `ask_plan` and `answers_to_batches` raise.
    """
    names = [str(target) for target in targets]
    options = EvaluationOptions(
        file=Path(file) if file is not None else None,
        endpoint=endpoint,
        models=tuple(models) if models else None,
        variants=tuple(variants) if variants else None,
        samples=samples,
        allow_leak=allow_leak,
        in_batches=batch,
    )
    start = Path(names[0]).parent if names[0].endswith(".toml") else None
    with open_ledger(start, create=True) as ledger:
        return carry_out(ledger, plan_evaluation(ledger, names, options))


def cost_of_ownership(
    results: Results,
    requests_per_day: Sequence[int],
    *,
    life_days: int = 365,
    price_as: str | None = None,
    tier: str | None = None,
    training_usd: float | None = None,
) -> Ownership:
    """What the models of an evaluation cost at so many requests a day, and from where on they are cheaper than the
    base.

    `price_as` ("openai", "azure") and `tier` name other prices than the endpoint's own; `training_usd` is what the
    training was billed. Raises NothingCharged, NoBaseToCompare, PricesUnreadable, and ValueError for numbers that
    are not above 0.
    """
    terms = Terms(sorted(set(requests_per_day)), life_days, price_as, tier, training_usd)
    job_file = results.evaluation.job_file
    with open_ledger(Path(job_file).parent if job_file else None) as ledger:
        return ownership_of(ledger, results, terms)
