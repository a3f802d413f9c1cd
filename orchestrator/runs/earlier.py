"""Earlier runs of the same content: account, data, model, method, hyperparameters, and the seed if given.

Names, notes, suffixes, metadata and the endpoint's name don't matter. Failed and cancelled runs don't count,
deleted ones do.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection, exists, or_, select

from orchestrator.config import EndpointConfig
from orchestrator.dataset.files import open_as_sent, sent_prefix
from orchestrator.errors import UsageError
from orchestrator.runs.plan import FileFacts, Recipe
from orchestrator.runs.states import State
from orchestrator.store.runs import RUNS, Run
from orchestrator.store.schema import runs, uploads

UNCOUNTED = (State.FAILED, State.CANCELLED)
"""These ended without a model, and are no reason not to train."""
_BLOCK_BYTES = 1 << 20
_DATE = re.compile(r"-\d{4}-\d{2}-\d{2}$")


@dataclass(frozen=True)
class Earlier:
    """A run of the same content, deleted or not; `differs` says how an adopted job's hyperparameters differ."""

    run: Run
    differs: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """`trained before as run 7k3m9x2a (drone), model ft:…`, or the run's present state."""
        run = self.run
        differs = f"; {', '.join(self.differs)}" if self.differs else ""
        deleted = f", deleted {date.fromtimestamp(run.deleted_at)}" if run.deleted_at else ""
        return f"{_progress(run)} as run {run.id} ({run.name}{deleted}) on {run.endpoint}{_outcome(run)}{differs}"


def _progress(run: Run) -> str:
    if run.is_over:
        return "trained before"
    return "being trained" if run.job_id else "submitted before"


def _outcome(run: Run) -> str:
    if run.fine_tuned_model:
        return f", model {run.fine_tuned_model}"
    if run.is_over or run.job_id:
        return f", job {run.job_id}"
    return ", whose job may exist" if run.creation_open else ", which has no job yet"


class History:
    """Finds earlier runs of the same content. `endpoints` are the workspace's, by name."""

    def __init__(self, connection: Connection, endpoints: Mapping[str, EndpointConfig]) -> None:
        self._connection = connection
        self._endpoints = endpoints
        self._found: dict[frozenset[str], list[Run]] = {}
        self._is_empty = connection.execute(select(runs.c.id).limit(1)).first() is None

    def of(self, recipe: Recipe, without: Collection[str] = ()) -> tuple[Earlier, ...]:
        """The earlier runs of a recipe's content, newest first, except the ids in `without`."""
        matches = (self.match(run, recipe) for run in self.on_data_of(recipe) if run.id not in without)
        return tuple(found for found in matches if found is not None)

    def on_data_of(self, recipe: Recipe) -> list[Run]:
        """The earlier runs with a recipe's training data, newest first."""
        if self._is_empty:
            return []
        hashes = alike(recipe.training)
        if hashes not in self._found:
            self._found[hashes] = _on_data(self._connection, hashes)
        return self._found[hashes]

    def match(self, run: Run, recipe: Recipe) -> Earlier | None:
        """A run on the recipe's training data, if the rest of the content is the same too."""
        return Earlier(run, _differences(run, recipe)) if self._is_same(run, recipe) else None

    def _is_same(self, run: Run, recipe: Recipe) -> bool:
        job = recipe.job
        if not self._is_same_account(run, recipe.config):
            return False
        if not run.job_file:  # adopted: the host says what it used, not what was requested
            return _undated(run.model) == _undated(job.model) and run.method["type"] == job.method.type
        return (
            run.model == job.model
            and _given(run.method) == _given(_method(recipe))
            and (run.seed if run.seed_given else None) == job.seed
            and _has_data(run.validation_sha256, recipe.validation)
        )

    def _is_same_account(self, run: Run, config: EndpointConfig) -> bool:
        """An endpoint that is no longer configured may be of any type."""
        theirs = self._endpoints.get(run.endpoint)
        if theirs is None:
            return run.endpoint_type == config.type
        return account_of(theirs) == account_of(config)


def account_of(config: EndpointConfig) -> str:
    """What distinguishes accounts whatever an endpoint is called: its host and port, or its type if it has no
    address."""
    address = urlsplit(config.base_url or "")
    return address.netloc.lower() or config.type


def alike(file: FileFacts) -> frozenset[str]:
    """The SHA-256 (hex) of a file, and of the same lines with other line endings."""
    return _alike(file.path, file.sha256) if isinstance(file.path, Path) else frozenset({file.sha256})


@lru_cache(maxsize=64)
def _alike(path: Path, sha256: str) -> frozenset[str]:
    """Lines that end with LF or CRLF; the last one may have no ending."""
    as_sent, found = hashlib.sha256(), _LineEnds()
    try:
        with open_as_sent(path) as source:
            while block := source.read(_BLOCK_BYTES):
                as_sent.update(block)
                found.update(block)
    except (OSError, UsageError):
        return frozenset({sha256})
    return found.hashes() | {sha256} if as_sent.hexdigest() == sha256 else frozenset({sha256})


class _LineEnds:
    """Hashes the same lines with each kind of line ending, in one pass and constant memory."""

    def __init__(self) -> None:
        self._ends = (b"\n", b"\r\n")
        self._digests = tuple(hashlib.sha256() for _ in self._ends)
        self._held = b""  # possibly half of a line ending, or the last one of the file

    def update(self, block: bytes) -> None:
        text = (self._held + block).replace(b"\r\n", b"\n")
        kept = len(text) - len(text.rstrip(b"\r")) or len(text) - len(text.removesuffix(b"\n"))
        self._held = text[len(text) - kept :]
        self._add(text[: len(text) - kept])

    def _add(self, text: bytes) -> None:
        for digest, end in zip(self._digests, self._ends, strict=True):
            digest.update(text.replace(b"\n", end))

    def hashes(self) -> frozenset[str]:
        if self._held != b"\n":
            self._add(self._held)
        found = set()
        for digest, end in zip(self._digests, self._ends, strict=True):
            found.add(digest.hexdigest())
            digest.update(end)
            found.add(digest.hexdigest())
        return frozenset(found)


# --- The records ---------------------------------------------------------------------------------------------


def _on_data(connection: Connection, hashes: Collection[str]) -> list[Run]:
    """The runs that count and were trained on these bytes, newest first.

    The hash of an adopted job's file is known if ftorch uploaded it: by its id there, or by its name.
    """
    uploaded = exists().where(
        uploads.c.endpoint == runs.c.endpoint,
        uploads.c.file_id == runs.c.training_file_id,
        uploads.c.sha256.in_(hashes),
    )
    named = (runs.c.training_path.startswith(sent_prefix(sha256), autoescape=True) for sha256 in sorted(hashes))
    query = select(*RUNS.columns).where(
        runs.c.training_sha256.in_([*hashes, ""]),
        or_(runs.c.training_sha256 != "", uploaded, *named),
        runs.c.state.not_in(UNCOUNTED),
    )
    return [RUNS.item(row) for row in connection.execute(query.order_by(runs.c.created_at.desc(), runs.c.id))]


def _has_data(sha256: str | None, file: FileFacts | None) -> bool:
    return sha256 in alike(file) if file else sha256 is None


def _method(recipe: Recipe) -> dict[str, Any]:
    return {
        "type": recipe.job.method.type,
        "hyperparameters": recipe.hyperparameters,
        "grader": getattr(recipe.job.method, "grader", None),
        "base": {"mark": recipe.weights.mark} if recipe.weights else None,
    }


def _given(method: Mapping[str, Any]) -> tuple[Any, ...]:
    """What decides the training. Where it takes place (an option of Azure's) does not."""
    base = (method.get("base") or {}).get("mark")
    return method["type"], dict(method["hyperparameters"]), method.get("grader"), base


def _undated(model: str) -> str:
    """Hosts return a base model's name with its date."""
    return _DATE.sub("", model)


def _differences(run: Run, recipe: Recipe) -> tuple[str, ...]:
    """Of an adopted job: `n_epochs 3 there, 5 here`."""
    if run.job_file:
        return ()
    theirs, ours = run.hyperparameters, recipe.hyperparameters
    names: Iterable[str] = [name for name, value in ours.items() if value != "auto" and name in theirs]
    return tuple(f"{name} {theirs[name]} there, {ours[name]} here" for name in names if theirs[name] != ours[name])
