"""What a deployment is called: after its run, so that whoever deploys it again asks for the same one."""

from __future__ import annotations

import hashlib
import re

from orchestrator.store.runs import Run

LONGEST = 64
_SHORTEST = 2
_FITS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*[A-Za-z0-9]")
_TEMPORARY = "-eval"
"""Behind the name of one that was made for an evaluation."""


def name_for(model: str, run: Run | None, step: int | None = None, *, temporary: bool = False) -> str:
    """A name of at most 64 characters: of the run and its id, or of the model where no run made it; a checkpoint's
    has its step behind."""
    ending = (f"-step-{step}" if step is not None else "") + (_TEMPORARY if temporary else "")
    if run is not None:
        ending = f"-{run.id}{ending}"
        return _cut(run.name, LONGEST - len(ending)) + ending
    whole = _cut(model, 2 * LONGEST) + ending
    if len(whole) <= LONGEST:
        return whole
    digest = hashlib.sha256(model.encode()).hexdigest()[:8]
    return f"{_cut(model, LONGEST - len(ending) - 9)}-{digest}{ending}"


def name_problem(name: str) -> str | None:
    """Why Azure would not take the name; None where it would."""
    if not _SHORTEST <= len(name) <= LONGEST:
        return f"a deployment's name has {_SHORTEST} to {LONGEST} characters, this one has {len(name)}"
    if not _FITS.fullmatch(name):
        return "a deployment's name is letters and digits, with dots, dashes and underscores only between them"
    return None


def _cut(text: str, room: int) -> str:
    """Only what a name may hold, beginning with a letter or digit."""
    fitting = re.sub(r"[^A-Za-z0-9._-]+", "-", text).lstrip("._-")
    return fitting[:room].rstrip("._-")
