"""Tokens a second of training, beside a plain loop over the same libraries on the same rows.

    FTORCH_SMOLLM2=FOLDER python tests/bench/training.py       (in the environment of `make test-lora`)

The plain loop is what PEFT's documentation shows: pad the batch, ask the model for its loss, go back, step. Ours is
what jobs run: the same steps in micro-batches, with fence, events and measurements. The rows are those of
jobs/drone, with their calls as text and without definitions, or with the names of the functions alone. Figures are
in processor time, since the machine has other work; each is the median over the steps but the first. Without
FTORCH_SMOLLM2 a random model is trained.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from orchestrator.server.trainers.interface import Base, Requested, Step, Training
from orchestrator.server.trainers.lora.folder import TrainingFolder
from orchestrator.server.trainers.lora.hyperparameters import resolve
from orchestrator.server.trainers.lora.job import Job, prepared_job
from orchestrator.server.trainers.lora.precision import chosen_precision
from orchestrator.server.trainers.lora.training.checking import job_renderer
from orchestrator.server.trainers.lora.training.course import Course
from orchestrator.server.trainers.lora.training.examples import Example
from orchestrator.server.trainers.lora.training.fence import Fence, Left
from orchestrator.server.trainers.lora.training.learning import Learner
from orchestrator.server.trainers.lora.training.models import load_model
from orchestrator.server.trainers.lora.training.objectives import Supervised
from orchestrator.server.trainers.lora.training.planning import plan_of
from orchestrator.server.trainers.lora.training.rows import read_examples
from orchestrator.server.trainers.lora.training.state import Progress

TESTS = Path(__file__).parents[1]
DRONE = TESTS.parent / "jobs" / "drone" / "train.jsonl"
STEPS, BATCH = 6, 8
LIMIT = 4096


def main() -> None:
    with tempfile.TemporaryDirectory() as made:
        base = Base("base", base_folder(Path(made)))
        for name, rows in kinds().items():
            job = job_of(Path(made) / name, base, rows)
            rendered = read_examples(Path(job.training), "supervised", job_renderer(job))
            examples = [row for row in rendered if isinstance(row, Example)]
            assert len(examples) == len(rows)
            plain = plain_seconds(job, examples)
            ours = our_seconds(job, TrainingFolder(Path(made) / name / "folder"), examples)
            tokens = sum(example.tokens for example in examples) / STEPS
            print(f"{name}: {tokens:,.0f} tokens a step")
            print(f"{tokens / plain:9,.0f} a second  plain loop")
            print(f"{tokens / ours:9,.0f} a second  ftorch")
            print(f"{ours / plain:9.2f} ×  as long (at most 1.10)")


def base_folder(made: Path) -> Path:
    if "FTORCH_SMOLLM2" in os.environ:
        return Path(os.environ["FTORCH_SMOLLM2"])
    sys.path.insert(0, str(TESTS))
    from support.randomllama import make_random_llama

    return make_random_llama(made / "random-llama", hidden=256)


def kinds() -> dict[str, list[dict[str, Any]]]:
    rows = [json.loads(line) for line in DRONE.read_text(encoding="utf-8").splitlines()[: STEPS * BATCH]]
    names = [{"type": "function", "function": {"name": tool["function"]["name"]}} for tool in rows[0]["tools"]]
    return {
        "calls as text": [{"messages": as_text(row["messages"])} for row in rows],
        "names of functions": [{**row, "tools": names} for row in rows],
    }


def as_text(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The call of the last message written out, so that the row needs no definitions."""
    *asked, answer = messages
    return [*asked, {"role": "assistant", "content": json.dumps(answer["tool_calls"][0]["function"])}]


def job_of(folder: Path, base: Base, rows: Sequence[dict[str, Any]]) -> Job:
    folder.mkdir()
    path = folder / "training.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    numbers = resolve(len(rows), "supervised", Requested(n_epochs=1, batch_size=BATCH))
    training = Training(path, None, "supervised", numbers, 1, folder / "folder", base)
    return prepared_job(TrainingFolder(training.folder), training)


def our_seconds(job: Job, folder: TrainingFolder, examples: list[Example]) -> float:
    """Of a step, with all that belongs to it in a job."""
    model = load_model(job, chosen_precision("auto", "none"))
    plan = plan_of(job, model, examples, LIMIT)
    fence = Clock(folder, folder.begin_attempt())
    progress = Progress("cpu", LIMIT, is_checkpointing=False)
    learner = Learner(model, Supervised(), plan.planner, progress, 0, fence, may_checkpoint=False, longest=1)
    course = Course(job, model, learner, job_renderer(job), examples, [], grouped=plan.is_grouped)
    try:
        course.run(fence)
    except Left:
        return fence.median()
    raise AssertionError


class Clock(Fence):
    """Notes the time at every step, and leaves after the last one."""

    def __init__(self, *places: Any) -> None:
        super().__init__(*places)
        self._times = [time.process_time()]

    def step(self, step: Step, **measured: Any) -> None:
        super().step(step, **measured)
        self._times.append(time.process_time())
        if step.step == step.total_steps:
            raise Left

    def median(self) -> float:
        return statistics.median(
            after - before for before, after in zip(self._times[1:], self._times[2:], strict=False)
        )


def plain_seconds(job: Job, examples: Sequence[Example]) -> float:
    """Of a step."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    dtype = chosen_precision("auto", "none").base
    base = AutoModelForCausalLM.from_pretrained(job.base_folder, dtype=dtype)
    model = get_peft_model(
        base, LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    )
    optimizer = torch.optim.AdamW([each for each in model.parameters() if each.requires_grad], lr=2e-4)
    seconds = []
    for first in range(0, len(examples), BATCH):
        began = time.process_time()
        batch = collated([example.sequences[0] for example in examples[first : first + BATCH]])
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            loss = model(**batch, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.process_time() - began)
    return statistics.median(seconds[1:])


def collated(sequences: Sequence[Any]) -> dict[str, torch.Tensor]:
    """Padded to the longest; -100 where nothing is learned."""
    length = max(len(sequence.ids) for sequence in sequences)
    ids = torch.zeros(len(sequences), length, dtype=torch.long)
    mask, labels = torch.zeros_like(ids), torch.full_like(ids, -100)
    for row, sequence in enumerate(sequences):
        size = len(sequence.ids)
        ids[row, :size] = torch.tensor(sequence.ids)
        mask[row, :size] = 1
        learned = torch.tensor(list(sequence.learned), dtype=torch.bool)
        labels[row, :size][learned] = ids[row, :size][learned]
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


if __name__ == "__main__":
    main()
