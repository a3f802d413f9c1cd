"""Trying prompts on a base model and the tuned one: plan, question of cost, answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from orchestrator.api.host import Host
from orchestrator.chat.asking import Plan, Row, ask_plan
from orchestrator.chat.prompts import Prompts
from orchestrator.chat.targets import find_pair
from orchestrator.chat.terms import ChatOptions, agree
from orchestrator.errors import Stopped
from orchestrator.ledger import open_ledger
from orchestrator.tools.functions import Tool


def plan_prompts(
    target: str,
    prompts: Prompts,
    tools: Sequence[Tool],
    options: ChatOptions,
    *,
    endpoint: str | None = None,
    base: bool | None = None,
) -> Plan:
    """Find the models, and settle what each request carries; without `tools`, as in training.

    Raises what `find_pair` and `agree` raise, EndpointNotUsable.
    """
    place = Path(target).parent if target.endswith(".toml") else None
    with open_ledger(place) as ledger:
        pair = find_pair(ledger, target, endpoint, base=base)
        pair[0].config.require_usable()
        return Plan(pair, agree(pair[-1], tools, options), prompts, ledger.workspace.home)


def ask_prompts(plan: Plan, host: Host) -> list[Row]:
    """Ask every prompt of every model, after a yes where that may cost money. Nothing is recorded.

    Raises NotConfirmed, Stopped, and what `ask_plan` raises.
    """
    if plan.price is not None:
        host.confirm("Ask them?")
    count = len(plan.questions)
    with host.asking(count) as listener:
        rows, was_stopped = host.run(lambda stop: ask_plan(plan, listener, stop))
    if was_stopped:
        raise Stopped(
            f"stopped: {len(rows):,} of {len(plan.prompts.texts):,} prompts were answered; none is recorded"
        )
    return rows
