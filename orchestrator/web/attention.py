"""What waits for a person: runs that nothing drives on, and deployments that are paid for and not used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from orchestrator.deployments.account import Standing
from orchestrator.ledger import is_followed
from orchestrator.reports.runs import why
from orchestrator.reports.text import ago, money, plural
from orchestrator.runs.states import State
from orchestrator.runs.waiting import is_held, stands_still
from orchestrator.store.runs import Run


@dataclass(frozen=True)
class Waiting:
    """Something that waits for a person: what it is, in which state, and why; the reason has the next step."""

    ref: str
    name: str
    state: str
    reason: str


def waits(run: Run, now: float) -> bool:
    """Whether an unfinished run waits for a person: nothing drives it, or what it needs is a decision."""
    needs_word = run.state in (State.UNKNOWN, State.PAUSED) or is_held(run) or stands_still(run, now)
    return needs_word or not is_followed(run, now)


def waiting_runs(held: Iterable[Run], now: float) -> Iterator[Waiting]:
    """An entry for each of these runs, and one for all trials of a sweep in the same state."""
    for (sweep_id, _), each in groupby(sorted(held, key=_group), key=_group):
        alike = list(each)
        reason = why(alike[0], now)
        if sweep_id and len(alike) > 1:
            name = plural(len(alike), "trial")
            yield Waiting(f"sweep:{sweep_id}", f"{alike[0].name}: {name}", alike[0].state, reason)
        else:
            yield from (Waiting(f"run:{run.id}", f"{run.name} {run.id}", run.state, why(run, now)) for run in alike)


def _group(run: Run) -> tuple[str, str]:
    return run.sweep_id or "", run.state


def idle_deployments(standings: Sequence[Standing], now: float) -> Iterator[Waiting]:
    """Those that are charged and that ftorch has not used for a day."""
    for each in standings:
        if each.is_idle and each.cost_usd_per_day != 0:
            used = "never used" if each.last_used_at is None else f"last used {ago(each.last_used_at, now)}"
            cost = (
                "its cost is unknown" if each.cost_usd_per_day is None else f"{money(each.cost_usd_per_day)} a day"
            )
            reason = f"charged and not used: {used}, {cost}; ftorch deployments remove {each.name}"
            run_id = each.recorded.run_id if each.recorded else None
            yield Waiting(f"run:{run_id}" if run_id else "", each.name, each.state, reason)
