"""Requests from templates: every call with its values, without a model.

Such requests are alike, so a model trained on them learns little. Each row is marked: its request's `name` is
"template", and `data check` warns about it. The request is made from the answer, so it is not checked against
it. Equal requests are dropped, and so are requests in other files.
"""

from __future__ import annotations

from orchestrator.dataset.profile.answers import TEMPLATE
from orchestrator.dataset.profile.fingerprints import canonical, digest
from orchestrator.generation.calls import Drop, Target, Written
from orchestrator.generation.checks.screening import Screen
from orchestrator.generation.output import Made, Summary, write_outputs
from orchestrator.generation.spec import Spec
from orchestrator.generation.states import Listener, NullListener, Progress
from orchestrator.generation.templates import template_words
from orchestrator.store.generations import Spent

_SHOWN_EVERY = 2_000


def write_offline(spec: Spec, listener: Listener | None = None) -> Summary:
    """Write the examples of a spec with template requests. Raises OutputExists and OutputUnwritable."""
    listener = listener or NullListener()
    screen, functions, seed = Screen(spec.screened_against), spec.by_name, spec.settings.seed
    made, drops = list[Made](), list[Drop]()
    seen: dict[int, Target] = {}
    for number, target in enumerate(spec.targets):
        written = template_words(target, functions, seed)
        if faults := _repeated(written, seen) or screen.leaks(written):
            drops += faults
        else:
            made.append(Made(written, TEMPLATE))
        if number % _SHOWN_EVERY == 0:
            listener.progressed(Progress("template requests", number, spec.count, len(made), Spent(0, 0, 0.0)))
    return write_outputs(spec, made, drops, spec.count - len(made), None)


def _repeated(written: Written, seen: dict[int, Target]) -> list[Drop]:
    """A drop if the same request was made before, for the same answer or another; `seen` has the target by the
    request's hash."""
    target = written.target
    first = seen.setdefault(digest(f"{written.text}\n{written.then}".encode()), target)
    if first is target:
        return []
    reason = "near-duplicate" if _answer(first) == _answer(target) else "contradiction"
    return [Drop(target.id, reason, "the same request was made before", written.text)]


def _answer(target: Target) -> bytes:
    return canonical([[call.name, call.arguments] for call in (*target.calls, *target.then)])
