"""The overview: what is under way, what waits for a person, what it costs, and what ended last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import groupby

from orchestrator.api.costs import costs_this_month, month_to_date
from orchestrator.bookkeeping.caps import MonthToDate
from orchestrator.bookkeeping.endings import endings, today
from orchestrator.deployments.account import Standing, recorded_standings
from orchestrator.ledger import Ledger, SweepStanding, is_followed
from orchestrator.reports.documents.document import Block, Code, Paragraph, Section, some
from orchestrator.reports.runs import loss_cell, state_cell, steps, validation_loss, why
from orchestrator.reports.sweeptables import trials_expected, trials_over
from orchestrator.reports.table import Bar, Cell, Column, Fit, Meaning, Number, Row, Table, row
from orchestrator.reports.text import ago, ending, money, plural
from orchestrator.runs.states import State
from orchestrator.runs.waiting import is_held, stands_still
from orchestrator.store.listing import Listing
from orchestrator.store.records import Metric
from orchestrator.store.runs import Run
from orchestrator.store.spending import Sum
from orchestrator.web.page import Asked, Page
from orchestrator.web.pages.lists import sweeps_table
from orchestrator.web.rendering import render, section_parts

_SHOWN = 20
_ENDED = 8
_HOURS = 24.0


def overview(asked: Asked) -> Page:
    ledger, now = asked.ledger, asked.now
    unfinished = ledger.runs(only_active=True)
    standings = recorded_standings(ledger) if ledger.has_deployments() else []
    waiting_ids = {run.id for run in unfinished if waits(run, now)}
    active = [run for run in unfinished if run.id not in waiting_ids]
    held = [run for run in unfinished if run.id in waiting_ids]
    waiting = [*waiting_runs(held, now), *idle_deployments(standings, now)]
    sections = some(
        Section("start", "Nothing is recorded yet", list(_start(ledger))),
        Section("waiting", "Needs you", list(_waiting(waiting))),
        Section("active", "Under way", list(_active(ledger, active, now))),
        Section("sweeps", "Sweeps", list(_sweeps(ledger, now))),
        Section("money", "Money this month", list(_money(ledger))),
        Section("deployments", "Deployments", list(_deployments(standings, now))),
        Section("ended", "Ended last", list(_ended(ledger, now))),
    )
    head = render("overview", project=ledger.workspace.root.name)
    return Page("Overview", section_parts(sections), head=head, place="Overview", is_stacked=True)


def _start(ledger: Ledger) -> Iterator[Block]:
    if not ledger.runs(limit=1):
        yield Paragraph("Train a first model; this page shows it while it trains:")
        yield Code("ftorch init DATA.jsonl\nftorch submit JOB.toml")


def _waiting(waiting: Sequence[Waiting]) -> Iterator[Block]:
    columns = [*(Column(name, fit=Fit.LINE) for name in ("what", "state")), Column("reason", fit=Fit.FOLD)]
    rows = [row(Cell(each.name, ref=each.ref), state_cell(each.state), each.reason) for each in waiting[:_SHOWN]]
    if rows:
        yield Table(columns, rows, notes=_left_out(len(waiting)))


def _active(ledger: Ledger, active: Sequence[Run], now: float) -> Iterator[Block]:
    if not active:
        return
    shown = sorted(active, key=lambda run: -run.updated_at)[:_SHOWN]
    last = ledger.progress([run.id for run in shown])
    names = ("run", "state", "", "step", "loss", "validation", "endpoint", "changed")
    columns = [Column(name, fit=Fit.LINE, is_number=name in ("loss", "validation")) for name in names]
    yield Table(columns, [_active_row(run, last.get(run.id), now) for run in shown], notes=_left_out(len(active)))


def _active_row(run: Run, metric: Metric | None, now: float) -> Row:
    total = (metric.total_steps if metric else None) or 0
    return row(
        Cell(f"{run.name} {run.id}", ref=f"run:{run.id}"),
        state_cell(run.state),
        Bar(done=metric.step if metric else 0, total=total or 1),
        steps(metric),
        loss_cell(metric.train_loss if metric else None),
        loss_cell(validation_loss(metric)),
        run.endpoint,
        ago(run.updated_at, now),
    )


def _sweeps(ledger: Ledger, now: float) -> Iterator[Block]:
    """Those with unfinished trials."""
    standings = [each for each in ledger.sweeps() if _is_under_way(each)]
    if standings:
        yield replace(sweeps_table(standings[:_SHOWN], now), notes=_left_out(len(standings)))


def _is_under_way(standing: SweepStanding) -> bool:
    return trials_over(standing.counts) < trials_expected(standing.sweep, standing.counts)


def _money(ledger: Ledger) -> Iterator[Block]:
    """Training of this month beside the caps of the endpoints, and what everything cost."""
    months = month_to_date(ledger)
    if months:
        columns = [
            Column("endpoint", fit=Fit.LINE),
            Column("training this month", fit=Fit.LINE, is_number=True),
            Column("cap", fit=Fit.LINE, is_number=True),
            Column("", "share", fit=Fit.LINE),
        ]
        yield Table(columns, [_month(each) for each in months])
    spent = costs_this_month(ledger)
    if spent.groups:
        parts = ", ".join(f"{group.key} {_sum(group.total)}" for group in spent.groups)
        yield Paragraph(f"In total this month (UTC): {_sum(spent.total.total)}: {parts}.")


def _month(each: MonthToDate) -> Row:
    cap = each.cap_usd
    return row(
        each.endpoint,
        Number(_sum(each.used), value=each.used.usd, unit="USD"),
        Number("none" if cap is None else money(cap), value=cap, unit="USD"),
        Cell("") if not cap else Bar(done=min(each.used.usd, cap), total=cap),
    )


def _sum(used: Sum) -> str:
    """`~` marks estimates, `≥` amounts that leave out something of unknown cost."""
    if used.is_unknown:
        return "unknown"
    return f"{'≥ ' if used.unknown else '~ ' if used.estimated else ''}{money(used.usd)}"


def _deployments(standings: Sequence[Standing], now: float) -> Iterator[Block]:
    if not standings:
        return
    numbers = [Column(name, fit=Fit.LINE, is_number=True) for name in ("per hour", "so far")]
    columns = [*(Column(name, fit=Fit.LINE) for name in ("deployment", "state", "tier")), *numbers]
    rows = [_deployment_row(each, now) for each in standings[:_SHOWN]]
    hourly = [each.cost_usd_per_day / _HOURS for each in standings if each.cost_usd_per_day]
    yield Table([*columns, Column("last used by ftorch", fit=Fit.LINE), Column("model", fit=Fit.FOLD)], rows)
    if hourly:
        yield Paragraph(f"{money(sum(hourly))} an hour for hosting in total, used or not.", Meaning.STRONG)


def _deployment_row(each: Standing, now: float) -> Row:
    hourly = None if each.cost_usd_per_day is None else each.cost_usd_per_day / _HOURS
    ref = f"run:{each.recorded.run_id}" if each.recorded and each.recorded.run_id else ""
    return row(
        Cell(each.name, ref=ref),
        each.state,
        each.sku or "–",
        Number(money(hourly), value=hourly, unit="USD an hour"),
        Number(money(each.cost_usd), value=each.cost_usd, unit="USD"),
        "now" if each.in_use else "never" if each.last_used_at is None else ago(each.last_used_at, now),
        each.model or "its run's",
    )


def _ended(ledger: Ledger, now: float) -> Iterator[Block]:
    found = [run for run in ledger.listed(Listing(sort="finished"), limit=_ENDED) if run.is_over]
    ends = endings(ledger).of
    columns = [*(Column(name, fit=Fit.LINE) for name in ("run", "state", "ended")), Column("model", fit=Fit.FOLD)]
    rows = [
        row(
            Cell(f"{run.name} {run.id}", ref=f"run:{run.id}"),
            state_cell(run.state),
            ago(run.finished_at or now, now),
            Cell(run.fine_tuned_model or run.reason, note=_ends(ends(run.endpoint, run.fine_tuned_model))),
        )
        for run in found
    ]
    if rows:
        yield Table(columns, rows)


def _ends(day: date | None) -> str:
    return f" {ending(day, today())}" if day else ""


def _left_out(number: int) -> list[str]:
    return [f"And {plural(number - _SHOWN, 'more')}: see Runs."] if number > _SHOWN else []


# --- What waits for a person --------------------------------------------------------------------------------------


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
