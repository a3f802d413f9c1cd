"""Template words: every call with its values, and nobody asked.

Requests in such words are alike, so a model that is trained on them learns little. Each row is marked: its
request's `name` is "template", which `data check` warns of. The words are made from the answer, so they are not
checked against it. Equal requests are dropped, and requests that other files have.
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
    """Write the examples of a spec in template words. Raises OutputExists and OutputUnwritable."""
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
            listener.progressed(Progress("template words", number, spec.count, len(made), Spent(0, 0, 0.0)))
    return write_outputs(spec, made, drops, spec.count - len(made), None)


def _repeated(written: Written, seen: dict[int, Target]) -> list[Drop]:
    """A drop where these words were made before, for the same answer or another; `seen` has the target by the
    words' hash."""
    target = written.target
    first = seen.setdefault(digest(f"{written.text}\n{written.then}".encode()), target)
    if first is target:
        return []
    reason = "near-duplicate" if _answer(first) == _answer(target) else "contradiction"
    return [Drop(target.id, reason, "the same words were made before", written.text)]


def _answer(target: Target) -> bytes:
    return canonical([[call.name, call.arguments] for call in (*target.calls, *target.then)])
