"""Break the protocol in three ways, and see the proof fail: python tests/faults/break_the_protocol.py"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import pytest

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from faults.catalogue import ON_CREATE
from faults.dialects import DIALECTS
from faults.product import Case, Verdict, prove_alone
from orchestrator.endpoints.openai import OpenAIEndpoint
from orchestrator.engine.machine import Move, Outcome
from orchestrator.runs import steps
from orchestrator.runs.context import Context
from orchestrator.runs.states import State
from orchestrator.store.runs import Run

Break = Callable[[pytest.MonkeyPatch], None]


def send_before_the_intent(patch: pytest.MonkeyPatch) -> None:
    """The paid request goes out first, and what it brought is written after it, as most tools do."""
    uploading, creating = steps.uploading, steps.creating
    sent: dict[str, Outcome] = {}

    async def send_at_once(run: Run, context: Context) -> Outcome:
        outcome = await uploading(run, context)
        if isinstance(outcome, Move) and outcome.to is State.CREATING:
            intended = replace(run, **outcome.changes, state=State.CREATING)
            context.fresh_intents.add((intended.id, intended.version))
            sent[run.id] = await creating(intended, context)
        return outcome

    async def tell_what_was_sent(run: Run, context: Context) -> Outcome:
        if run.id not in sent:
            return await creating(run, context)
        context.fresh_intents.discard((run.id, run.version))
        return sent.pop(run.id)

    patch.setitem(_steps(), State.UPLOADING, send_at_once)
    patch.setitem(_steps(), State.CREATING, tell_what_was_sent)


def retry_in_the_sdk(patch: pytest.MonkeyPatch) -> None:
    """The SDK repeats the paid request by itself, as it does by default."""
    create = OpenAIEndpoint.create

    async def create_with_retries(self: OpenAIEndpoint, request: Any) -> Any:
        self._client = self._client.with_options(max_retries=2)
        return await create(self, request)

    patch.setattr(OpenAIEndpoint, "create", create_with_retries)


def do_not_let_it_settle(patch: pytest.MonkeyPatch) -> None:
    """A job that is not in the list at the first look counts as never made."""
    patch.setattr(Context, "searched_seconds", lambda _context, _what: inf)


BREAKS: tuple[Break, ...] = (send_before_the_intent, retry_in_the_sdk, do_not_let_it_settle)


def cases() -> list[Case]:
    """Every fault on create, and the crashes around the paid request."""
    found = [Case(dialect, on_create=fault) for dialect in DIALECTS for fault in ON_CREATE]
    places = ("before-commit-creating", "after-commit-creating", "before-create", "after-create")
    return found + [Case(dialect, crash=place) for dialect in DIALECTS for place in places]


def prove_broken(break_it: Break) -> list[Verdict]:
    """The verdicts on the cases with the protocol broken in this way."""
    with pytest.MonkeyPatch.context() as patch:
        break_it(patch)
        return [prove_alone(case) for case in cases()]


def _steps() -> Any:
    return steps.STEPS


def main() -> None:
    for break_it in BREAKS:
        verdicts = prove_broken(break_it)
        wrong = [verdict for verdict in verdicts if verdict.violations]
        print(f"{break_it.__name__}: {break_it.__doc__}")
        print(f"  {len(wrong)} of {len(verdicts)} cases violate the guarantee, such as")
        for verdict in wrong[:4]:
            case = verdict.case
            print(f"  {case.dialect}, create {case.on_create}, {case.crash or 'no crash'}: {verdict.violations[0]}")


if __name__ == "__main__":
    main()
