"""Comparing the prompts of training and serving: a model knows only prompts like those it was trained on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.api.host import Host
from orchestrator.api.openweights import Trained, find_trained
from orchestrator.dataset.files import open_as_sent
from orchestrator.dataset.jsontext import parse_json
from orchestrator.dataset.lines import numbered_lines
from orchestrator.dataset.rendering.renderer import Rendered, Renderer, open_renderer
from orchestrator.endpoints.localprompts import Tokenize, host_prompts
from orchestrator.endpoints.localweights import TEMPLATE
from orchestrator.endpoints.vllmprompts import vllm_prompts
from orchestrator.errors import CannotRender, NoEvaluationFile, NoServingAddress, PromptNotMade, PromptNotServed
from orchestrator.evaluation.casefile import check_cases
from orchestrator.evaluation.cases import MESSAGE_KEYS
from orchestrator.evaluation.subjects import find_subject
from orchestrator.ledger import Ledger

_BEFORE, _AFTER = 16, 24
"""Tokens that are shown around a difference."""


@dataclass(frozen=True)
class Difference:
    """The first place where the two prompts of a case differ."""

    line: int
    token: int
    """Its position in the prompt, from 0."""
    before: str
    """The end of what both have in common."""
    trained: str
    served: str


@dataclass(frozen=True)
class Comparison:
    """What was compared."""

    model: str
    file: Path
    cases: int
    tokens: int
    """Of the prompts in training."""
    differing_cases: int
    differing_tokens: int
    """Between what the two prompts of a case begin with and what they end with, in the longer one."""
    first: Difference | None

    @property
    def is_same(self) -> bool:
        return self.first is None


def check_serving(
    ledger: Ledger,
    key: str,
    host: Host,
    *,
    file: Path | None = None,
    url: str | None = None,
    name: str | None = None,
) -> Comparison:
    """Compare, case by case, the prompt that training makes with the one that serving feeds.

    Without a `file` it is the evaluation file of the model's job. With `url` the prompts are those of a vLLM
    server, which calls the model `name`. Raises what `find_trained` and `check_cases` raise, NoEvaluationFile,
    NoServingAddress, RenderingMissing, ModelFolderUnusable, TemplateUnusable, PromptNotMade and PromptNotServed.
    """
    trained = find_trained(ledger, key)
    path = file or _evaluation_file(ledger, key)
    check_cases(path)
    renderer = _renderer(trained)
    host.say(f"Reading the prompts of {path.name} as training and as serving make them.")
    with _serving(trained, url, name) as tokenize:
        return _compare(trained.model.name, path, renderer, tokenize)


def _serving(trained: Trained, url: str | None, name: str | None) -> AbstractContextManager[Tokenize]:
    config = trained.config
    url = url or (config.vllm_url if config.serving == "vllm" else None)
    if url is None and config.serving == "vllm":
        raise NoServingAddress(endpoint=config.name)
    if url is None:
        return host_prompts(trained.model, trained.base, trained.python)
    return vllm_prompts(url, trained.model, name)


def _evaluation_file(ledger: Ledger, key: str) -> Path:
    job = find_subject(ledger, [key]).job
    if job is None or job.evaluation_path is None:
        raise NoEvaluationFile(what=job.source if job else key)
    return job.evaluation_path


def _renderer(trained: Trained) -> Renderer:
    """As in training: with the template that the base model's folder leads to, if the model was trained with it."""
    written = trained.adapter.folder / TEMPLATE
    found = open_renderer(trained.base)
    is_same = found.template.text == written.read_text(encoding="utf-8")
    return found if is_same else open_renderer(trained.base, template=written)


# --- Comparing ---------------------------------------------------------------------------------------------------


def _compare(model: str, path: Path, renderer: Renderer, tokenize: Tokenize) -> Comparison:
    cases = tokens = differing_cases = differing = 0
    first: Difference | None = None
    for line, row in _rows(path):
        trained, served = _both(path, line, row, renderer, tokenize)
        cases, tokens = cases + 1, tokens + len(trained)
        if trained != served:
            differing_cases, differing = differing_cases + 1, differing + _differing(trained, served)
            first = first or _difference(line, trained, served, renderer)
    return Comparison(model, path, cases, tokens, differing_cases, differing, first)


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with open_as_sent(path) as stream:
        for number, line in numbered_lines(stream):
            if line is not None:
                yield number, parse_json(line)


def _both(
    path: Path, line: int, row: Mapping[str, Any], renderer: Renderer, tokenize: Tokenize
) -> tuple[list[int], list[int]]:
    """The prompt of a case in training and in serving."""
    *messages, answer = row["messages"]
    request = {"messages": messages, **{key: row[key] for key in MESSAGE_KEYS if key in row}}
    learned = {name: value for name, value in answer.items() if name != "weight"}
    try:
        trained = _prompt(renderer.supervised({**row, "messages": [*messages, learned]}))
        return trained, tokenize(request)
    except (CannotRender, PromptNotServed) as error:
        raise PromptNotMade(path=path, line=line, problem=error) from error


def _prompt(rendered: Rendered) -> list[int]:
    """What comes before the last answer that is learned."""
    last = max(number for number, span in enumerate(rendered.spans) if span.learned)
    return rendered.ids[: sum(span.tokens for span in rendered.spans[:last])]


def _differing(one: Sequence[int], other: Sequence[int]) -> int:
    start = _common(one, other)
    end = _common(one[start:][::-1], other[start:][::-1])
    return max(len(one), len(other)) - start - end


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens both begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (ours, theirs) in pairs if ours != theirs), min(len(one), len(other)))


def _difference(line: int, trained: list[int], served: list[int], renderer: Renderer) -> Difference:
    at = _common(trained, served)
    shown = (trained[max(0, at - _BEFORE) : at], trained[at : at + _AFTER], served[at : at + _AFTER])
    before, ours, theirs = map(renderer.decode, shown)
    return Difference(line, at, before, ours, theirs)
