"""The text of a new job file: each key with a comment on its use and what to change next."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

_WIDEST = 46
"""The column at which comments begin; after a longer setting the comment follows directly."""
SHOWN_LORA: Mapping[str, tuple[str, str]] = {
    "rank": ("16", "of the adapter: more can learn more"),
    "alpha": ("32", "scales what is learned, by alpha / rank"),
    "dropout": ("0.05", "share of the adapter left out in each step"),
    "max_length": ("8192", "the most tokens of one example"),
}
"""Keys of `[lora]` that a new job file may show, with a value and a comment."""
_LEARNS: Mapping[str, str] = {
    "supervised": "learn to give the assistant's answers",
    "dpo": "learn to prefer one answer to another",
    "reinforcement": "learn to earn a grader's score",
}


@dataclass(frozen=True)
class NewJob:
    """The settings of a new job file. Paths are relative to it."""

    name: str
    endpoint: str
    model: str
    suffix: str
    method: Literal["supervised", "dpo", "reinforcement"]
    training_file: str
    validation_file: str | None
    evaluation_file: str | None
    max_cost_usd: int | None
    """None if training costs nothing or an unknown amount."""
    rejection_tools: tuple[str, ...] = ()
    reference: str | None = None
    """Reinforcement: the key of a row with the right answer."""
    absolute_rate: bool = False
    """Whether the endpoint takes only a learning rate itself, no multiplier."""
    lora: tuple[str, ...] = ()
    """The keys of `[lora]` to show."""


Line = tuple[str, str]
"""A setting and its comment."""


def job_text(job: NewJob, file_name: str) -> str:
    """The job file as TOML with comments; `file_name` is its name for the commands in them."""
    parts = [_top(job), _data(job), _method(job), _lora(job), _limits(job), _evaluation(job, file_name)]
    lines = [line for part in map(list, parts) if part for line in (("", ""), *part)]
    return f"# Every line can be changed. Check it with: ftorch data check {file_name}\n" + aligned(lines[1:])


def aligned(lines: Sequence[Line]) -> str:
    """The lines with their comments below each other."""
    width = max(len(setting) for setting, _ in lines if len(setting) < _WIDEST)
    return "".join(
        f"{setting.ljust(width)}  # {comment}".rstrip() + "\n" if comment else f"{setting}\n"
        for setting, comment in lines
    )


def quoted(text: str) -> str:
    """The text as a TOML basic string: JSON's escapes and one more."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _top(job: NewJob) -> list[Line]:
    return [
        (f"name = {quoted(job.name)}", "the run's name in ftorch status"),
        (f"endpoint = {quoted(job.endpoint)}", "where it trains; ftorch endpoints lists the names"),
        (f"model = {quoted(job.model)}", "the base model"),
        (f"suffix = {quoted(job.suffix)}", "part of the tuned model's name"),
    ]


def _data(job: NewJob) -> Iterator[Line]:
    yield "[data]", "paths are relative to this file"
    yield f"training_file = {quoted(job.training_file)}", ""
    if job.validation_file:
        yield f"validation_file = {quoted(job.validation_file)}", "measured during training, never trained on"
    else:
        yield '# validation_file = "validation.jsonl"', "to measure during training; see ftorch data split"


def _method(job: NewJob) -> Iterator[Line]:
    yield "[method]", ""
    yield f"type = {quoted(job.method)}", _LEARNS[job.method]
    yield 'n_epochs = "auto"', "passes over the training file; next, try 2, 3 and 4"
    if job.absolute_rate:
        yield "# learning_rate = 1e-4", "change it second; the default is the endpoint's"
    else:
        yield "# learning_rate_multiplier = 0.5", "change it second; the default is auto"
    yield "# batch_size = 8", "examples in each step; the default is auto"
    if job.method == "dpo":
        yield "# beta = 0.1", "higher stays closer to the base model"
    if job.method == "reinforcement":
        yield from _grader(job.reference)


def _lora(job: NewJob) -> Iterator[Line]:
    if not job.lora:
        return
    yield "# [lora]", "the adapter; the endpoint chooses the rest"
    for key in job.lora:
        value, comment = SHOWN_LORA[key]
        yield f"# {key} = {value}", comment


def _grader(reference: str | None) -> Iterable[Line]:
    yield "", ""
    yield "[method.grader]", "scores each answer, here 1 where it equals the reference"
    yield 'type = "string_check"', ""
    yield 'name = "exact"', ""
    yield 'operation = "eq"', ""
    yield 'input = "{{sample.output_text}}"', "what the model answered"
    answer = f"{{{{item.{reference or 'answer'}}}}}"
    comment = "the row's right answer" if reference else "the key of your rows with the right answer"
    yield f"reference = {quoted(answer)}", comment


def _limits(job: NewJob) -> Iterator[Line]:
    comment = "do not train if the estimate is higher"
    if job.max_cost_usd is None:
        yield "# [limits]", ""
        yield "# max_cost_usd = 20", comment
    else:
        yield "[limits]", ""
        yield f"max_cost_usd = {job.max_cost_usd}", comment


def _evaluation(job: NewJob, file_name: str) -> Iterator[Line]:
    if job.method != "supervised":
        return
    off = "" if job.evaluation_file else "# "
    yield f"{off}[evaluation]", f"base against tuned: ftorch evaluate {file_name}"
    yield f"{off}file = {quoted(job.evaluation_file or 'evaluation.jsonl')}", "cases that no other file has"
    if job.rejection_tools:
        names = ", ".join(map(quoted, job.rejection_tools))
        yield f"{off}rejection_tools = [{names}]", "a call of these rejects the request"
    else:
        yield '# rejection_tools = ["reject"]', "tools whose call rejects a request"
    yield '# gate = { metric = "call_accuracy", min = 0.9 }', "exit status 3 if not reached"
