"""Evals of OpenAI's Evals API: kept as they are, also from files that were exported before it ended."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from orchestrator.endpoints.interface import Endpoint
from orchestrator.errors import DataFileNotFound, DataFileUnreadable
from orchestrator.rescue.asking import Asking, Missing
from orchestrator.rescue.manifest import Manifest
from orchestrator.rescue.names import eval_path, safe

Json = Mapping[str, Any]

_RUN_ENDED = ("completed", "failed", "canceled", "cancelled")
_DEEPEST = 6
_ENDINGS = (".json", ".jsonl", ".ndjson")


@dataclass
class Eval:
    """An eval with its runs and their output items, each as the API returns it; parts may be missing."""

    id: str
    about: Json = field(default_factory=dict)
    runs: dict[str, Json] = field(default_factory=dict)
    items: dict[str, dict[str, Json]] = field(default_factory=lambda: defaultdict(dict))
    """By run and item id."""

    @property
    def name(self) -> str:
        return str(self.about.get("name") or self.id)


def models_asked(found: Eval) -> set[str]:
    """The models that the eval's runs asked."""
    sources = [source for run in found.runs.values() for source in (run, run.get("data_source"))]
    return {str(each["model"]) for each in sources if isinstance(each, Mapping) and each.get("model")}


async def keep_evals(endpoint: Endpoint, manifest: Manifest, asking: Asking) -> str | None:
    """Keep every eval with its runs and output items; why they can't be listed, if so. Raises EndpointError."""
    listed = await asking(endpoint.evals.evals)
    if isinstance(listed, Missing):
        return listed.reason
    for about in listed:
        if eval_id := _id(about):
            manifest.keep_json("eval", eval_id, eval_path(eval_id, "eval.json"), dict(about), name=_name(about))
            await _keep_runs(endpoint, manifest, asking, eval_id)
    return None


async def _keep_runs(endpoint: Endpoint, manifest: Manifest, asking: Asking, eval_id: str) -> None:
    runs = await asking(partial(endpoint.evals.runs, eval_id))
    if isinstance(runs, Missing):
        manifest.lack("eval run", f"all of {eval_id}", runs.why, runs.reason, of=eval_id)
        return
    for run in runs:
        run_id = _id(run)
        if not run_id or (manifest.kept("eval items", run_id) and manifest.kept("eval run", run_id)):
            continue
        items = await asking(partial(endpoint.evals.output_items, eval_id, run_id))
        if isinstance(items, Missing):
            manifest.lack("eval items", run_id, items.why, items.reason, of=eval_id)
            continue
        path = eval_path(eval_id, safe(run_id))
        manifest.keep_json("eval run", run_id, f"{path}.json", dict(run), name=_name(run), of=eval_id)
        if run.get("status") in _RUN_ENDED:
            manifest.keep_lines("eval items", run_id, f"{path}.items.jsonl", [*map(dict, items)], of=eval_id)


def _id(value: Json) -> str:
    return str(value.get("id") or "")


def _name(value: Json) -> str | None:
    return str(value["name"]) if value.get("name") else None


# --- Reading what was kept or exported ---------------------------------------------------------------------------


def read_evals(paths: Iterable[Path]) -> list[Eval]:
    """The evals in these files and folders: JSON or JSONL with objects of the API (`eval`, `eval.run`,
    `eval.run.output_item`), alone, in lists, or inside other objects.

    Raises DataFileNotFound, and DataFileUnreadable for a file that is not JSON or holds no such object.
    """
    found: dict[str, Eval] = {}
    for path in paths:
        if not path.exists():
            raise DataFileNotFound(path=path)
        before = _count(found)
        for file in _files(path):
            for value in _values(file):
                _collect(value, found)
        if _count(found) == before:
            problem = "it holds no objects of OpenAI's Evals API: eval, eval.run, eval.run.output_item"
            raise DataFileUnreadable(path=path, problem=problem)
    return list(found.values())


def _files(path: Path) -> Sequence[Path]:
    if not path.is_dir():
        return [path]
    return sorted(each for each in path.rglob("*") if each.suffix.lower() in _ENDINGS and each.is_file())


def _count(found: Mapping[str, Eval]) -> int:
    return sum(1 + len(each.runs) + sum(map(len, each.items.values())) for each in found.values())


def _values(path: Path) -> Iterator[Any]:
    """The JSON value of a file, or those of its lines. Raises DataFileUnreadable."""
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataFileUnreadable(
            path=path, problem=getattr(error, "strerror", None) or "it is not UTF-8"
        ) from error
    try:
        yield json.loads(text)
        return
    except (ValueError, RecursionError):
        pass
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                yield json.loads(line)
            except (ValueError, RecursionError) as error:
                raise DataFileUnreadable(path=path, problem=f"line {number} is not JSON") from error


def _collect(value: Any, found: dict[str, Eval], depth: int = 0) -> None:
    """Take up the objects of the API in a value, however they are wrapped."""
    if isinstance(value, list):
        for each in value:
            _collect(each, found, depth + 1)
    elif isinstance(value, dict) and not _take(value, found) and depth < _DEEPEST:
        for each in value.values():
            _collect(each, found, depth + 1)


def _take(value: Json, found: dict[str, Eval]) -> bool:
    kind, own = value.get("object"), _id(value)
    if kind == "eval" and own:
        found.setdefault(own, Eval(own)).about = value
    elif kind == "eval.run" and own:
        _owner(value, found).runs[own] = value
    elif kind == "eval.run.output_item" or {"datasource_item", "sample"} <= value.keys():
        items = _owner(value, found).items[str(value.get("run_id") or "")]
        items[own or f"item-{value.get('datasource_item_id', len(items))}"] = value
    else:
        return False
    return True


def _owner(value: Json, found: dict[str, Eval]) -> Eval:
    eval_id = str(value.get("eval_id") or "eval")
    return found.setdefault(eval_id, Eval(eval_id))
