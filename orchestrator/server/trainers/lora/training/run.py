"""One attempt of a training, from its folder to its weights. Torch is imported here."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from orchestrator.dataset.rendering.renderer import Renderer
from orchestrator.server.trainers.interface import TrainingFailedError
from orchestrator.server.trainers.lora.folder import Attempt, Limits, TrainingFolder
from orchestrator.server.trainers.lora.job import Job
from orchestrator.server.trainers.lora.precision import Precision, chosen_precision
from orchestrator.server.trainers.lora.training.checking import job_renderer
from orchestrator.server.trainers.lora.training.course import Course
from orchestrator.server.trainers.lora.training.examples import Example
from orchestrator.server.trainers.lora.training.fence import Fence
from orchestrator.server.trainers.lora.training.learning import Learner
from orchestrator.server.trainers.lora.training.models import LanguageModel, load_model
from orchestrator.server.trainers.lora.training.objectives import Preference, Supervised
from orchestrator.server.trainers.lora.training.planning import Plan, estimate_of, longest_of, plan_of
from orchestrator.server.trainers.lora.training.ranks import joined, require_same
from orchestrator.server.trainers.lora.training.rows import Refused, read_examples
from orchestrator.server.trainers.lora.training.state import Progress, State, newest_state
from orchestrator.server.trainers.lora.training.weights import check_parent, parent_note

Note = Callable[[str], None]


def run(folder: TrainingFolder, attempt: Attempt, job: Job, fence: Fence) -> None:
    """Train, or continue, to the weights in the attempt's folder.

    Raises TrainingFailedError, Left (see `Fence`), OSError if the folder can't be written, ModuleNotFoundError for
    a package that isn't there.
    """
    state = newest_state(folder)
    fence.say("from", step=state.progress.step if state else 0)
    # What an earlier attempt said is not said again.
    note: Note = fence.note if state is None and attempt.limits == Limits() else lambda _: None
    check_parent(job)
    renderer = job_renderer(job)
    training, validation = (_examples(path, job, renderer) for path in (job.training, job.validation))
    precision = _precision(job, note)
    ranks = joined(precision.device)
    progress = _progress(job, precision, training, state, attempt.limits, note)
    model = _model(job, precision, progress, note)
    plan = plan_of(job, model, training, progress.limit)
    if plan.note:
        note(plan.note)
    learner = _learner(job, model, plan, progress, renderer.pad_token, fence, longest_of([*training, *validation]))
    learner.ranks = ranks
    learner.say_plan()
    course = Course(job, model, learner, renderer, training, validation, grouped=plan.is_grouped)
    if state is not None:
        course.restore(state)
    require_same(ranks, progress.step)
    if state is None and job.method == "dpo":
        progress.reference.update(learner.leads([*training, *validation]))
        course.keep(fence)
    course.run(fence)


def _examples(path: str | None, job: Job, renderer: Renderer) -> list[Example]:
    found: list[Example] = []
    for row in read_examples(Path(path), job.method, renderer) if path is not None else ():
        if isinstance(row, Refused):
            raise TrainingFailedError(f"{path}, line {row.line:,}: {row.reason}.")
        found.append(row)
    return found


def _precision(job: Job, note: Note) -> Precision:
    precision = chosen_precision(job.options["precision"], job.options["quantization"])
    if precision.device == "cpu":
        torch.set_num_threads(max(1, job.threads // job.options["num_processes"]))
        if os.environ.get("CUDA_VISIBLE_DEVICES"):
            note(f"This machine has a GPU that torch {torch.__version__} can't use: training is on the processor")
    return precision


def _progress(
    job: Job, precision: Precision, training: Sequence[Example], state: State | None, limits: Limits, note: Note
) -> Progress:
    """The state's, or that of a beginning, within the limits."""
    if state is not None and state.progress.device != precision.device:
        before = "a GPU" if state.progress.device == "cuda" else "the processor"
        raise TrainingFailedError(
            f"This training began on {before}, and torch now finds {_place(precision)} only. Make {before} "
            "available and create the job again."
        )
    if state is None:
        estimate = estimate_of(job, precision, training)
        note(estimate.sentence(precision.name, precision.device))
        progress = Progress(precision.device, estimate.limit, estimate.is_checkpointing)
    else:
        progress = state.progress
    if limits.most_tokens is not None:
        progress.limit = min(progress.limit, limits.most_tokens)
    progress.is_checkpointing |= limits.must_checkpoint
    return progress


def _model(job: Job, precision: Precision, progress: Progress, note: Note) -> LanguageModel:
    model = load_model(job, precision)
    if progress.is_checkpointing and (model.can_checkpoint or job.options["gradient_checkpointing"] is True):
        model.checkpoint_activations()
    continued = parent_note(model, job)
    if continued:
        note(continued)
    learned = sum(parameter.numel() for parameter in model.learned.values())
    note(
        f"Training {learned:,} parameters of an adapter on {_place(precision)}, the base model in {precision.name}"
    )
    return model


def _learner(
    job: Job, model: LanguageModel, plan: Plan, progress: Progress, pad: int, fence: Fence, longest: int
) -> Learner:
    beta = job.hyperparameters.beta
    return Learner(
        model=model,
        objective=Supervised() if beta is None else Preference(beta, progress.reference),
        planner=plan.planner,
        progress=progress,
        pad=pad,
        fence=fence,
        may_checkpoint=job.options["gradient_checkpointing"] == "auto",
        longest=longest,
    )


def _place(precision: Precision) -> str:
    if precision.device == "cpu":
        return f"the processor ({torch.get_num_threads()} threads)"
    return str(torch.cuda.get_device_name(0))
