"""Template words: every call with its values, and nobody asked.

Requests in such words are alike, so a model that is trained on them learns little. Each row is marked: its
request's `name` is "template", which `data check` warns of.
"""

from __future__ import annotations

from orchestrator.dataset.profile.answers import TEMPLATE
from orchestrator.generation.calls import Drop
from orchestrator.generation.checks.evidence import unproven
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
    screen, functions = Screen(spec.settings.against), spec.by_name
    made, drops = list[Made](), list[Drop]()
    total = len(list(spec.targets)) if isinstance(spec.targets, list) else spec.targets.counts.all  # type: ignore[union-attr]
    for number, target in enumerate(spec.targets):
        written = template_words(target, functions, spec.settings.seed)
        faults = unproven(written, functions) or screen.faults(written)
        if faults:
            drops += faults
        else:
            screen.add(written)
            made.append(Made(written, TEMPLATE))
        if number % _SHOWN_EVERY == 0:
            listener.progressed(Progress("template words", number, total, len(made), Spent(0, 0, 0.0)))
    return write_outputs(spec, made, drops, total - len(made), None)
