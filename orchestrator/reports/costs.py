"""What everything cost, and how much of the caps is used: tables, notes, JSON and CSV.

An amount with `~` includes estimates, one with `≥` leaves out items of unknown cost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from rich.console import Console

from orchestrator.api.costs import By, Caps, Costs
from orchestrator.bookkeeping.caps import JobFileCap, MonthToDate
from orchestrator.bookkeeping.costs import Group, Unpriced
from orchestrator.bookkeeping.expenses import Kind, Lack
from orchestrator.reports.table import Cell, Column, Fit, Meaning, Number, Row, Table, row
from orchestrator.reports.text import iso, moment, money, plural, print_wrapped, printable
from orchestrator.store.spending import Sum

_ITEMS = {
    Kind.TRAINING: "run",
    Kind.EVALUATION: "answer",
    Kind.GENERATION: "request",
    Kind.HOSTING: "deployment",
}
_NONE = {By.TAG: "no tag", By.USER: "not recorded", By.RUN: "no run", By.MODEL: "unknown"}
_NOTES_SHOWN = 8


def print_costs(costs: Costs, caps: Caps, console: Console, *, limit: int | None = None) -> None:
    """Print at most `limit` groups, what the amounts leave out, and the caps."""
    table = costs_table(costs, limit=limit, width=console.width)
    console.print(table.title, style="bold", soft_wrap=True)
    if costs.groups:
        console.print(table)
    else:
        console.print("Nothing.")
    for note in notes(costs):
        print_wrapped(note, console, indent="", hanging="  ")
    if caps.endpoints or caps.job_files:
        console.print()
        table = caps_table(caps, limit=limit)
        console.print(table.title, style="bold")
        console.print(table)
        for note in table.notes:
            print_wrapped(note, console, indent="", hanging="  ")


# --- Costs -------------------------------------------------------------------------------------------------------


def costs_table(costs: Costs, *, limit: int | None = None, width: int | None = None) -> Table:
    """A row for each group, the total below, and a column for each kind of expense that occurs.

    If the table would be wider than `width`, the groups come last, where a long name gets a line to itself.
    """
    shown = costs.groups if limit is None else costs.groups[:limit]
    rest = costs.groups[len(shown) :]
    if costs.grouping.by is By.KIND:
        return _kinds_table(costs, shown)
    kinds = [kind for kind in Kind if kind in costs.total.sums]
    rows = [(_label(costs, each), *_amounts_of(each, kinds)) for each in shown]
    if rest:
        rows.append((Cell(f"{len(rest):,} others", Meaning.MUTED), *_amounts_of(_together(rest), kinds)))
    total = (Cell("total", Meaning.STRONG), *_amounts_of(costs.total, kinds))
    group = Column((costs.grouping.tag or costs.grouping.by).upper(), "group", Fit.LINE)
    columns = [
        group,
        *(_amounts(kind.upper()) for kind in kinds),
        *([_amounts("TOTAL")] if len(kinds) != 1 else []),
    ]
    if width is not None and _width(columns, [*rows, total]) > width:
        columns = [*columns[1:], replace(group, fit=Fit.BELOW)]
        rows, total = [(*each[1:], each[0]) for each in rows], (*total[1:], total[0])
    return Table(columns, [row(*each) for each in rows], _title(costs), footer=row(*total))


def _kinds_table(costs: Costs, groups: Sequence[Group]) -> Table:
    columns = [Column("KIND", "group", Fit.LINE), _amounts("COST"), _amounts("ITEMS")]
    total = row(Cell("total", Meaning.STRONG), amount_cell(costs.total.total), "")
    return Table(columns, [_kind_row(each) for each in groups], _title(costs), footer=total)


def _kind_row(group: Group) -> Row:
    [(kind, used)] = group.sums.items()
    return row(kind, amount_cell(used), Number(plural(used.items, _ITEMS[kind]), value=used.items))


def _label(costs: Costs, group: Group) -> Cell:
    if group.key is None:
        return Cell(_NONE.get(costs.grouping.by, "–"), Meaning.MUTED)
    return Cell(printable(f"{group.key} {group.name}".strip()))


def _amounts(heading: str) -> Column:
    return Column(heading, fit=Fit.LINE, is_number=True)


def _amounts_of(group: Group, kinds: Sequence[Kind]) -> list[Cell]:
    sums = [amount_cell(group.sums.get(kind, Sum())) for kind in kinds]
    return [*sums, amount_cell(group.total)] if len(kinds) != 1 else [*sums]


def _width(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> int:
    """Of a table on a terminal, with two blanks between columns."""
    widths = (
        max(len(column.heading), *map(len, cells)) for column, cells in zip(columns, _texts(rows), strict=True)
    )
    return sum(widths) + 2 * (len(columns) - 1)


def _texts(rows: Sequence[Sequence[Cell]]) -> list[list[str]]:
    """The texts of each column."""
    return [[cell.text for cell in cells] for cells in zip(*rows, strict=True)]


def _together(groups: Sequence[Group]) -> Group:
    sums: dict[Kind, Sum] = {}
    for group in groups:
        for kind, used in group.sums.items():
            sums[kind] = sums.get(kind, Sum()) + used
    return Group(None, sums)


def notes(costs: Costs) -> Iterator[str]:
    """What `~` and `≥` mean here, one sentence each, and what is unknown."""
    estimated = [(kind, used) for kind, used in costs.total.sums.items() if used.estimated]
    if estimated:
        parts = [
            f"{plural(used.estimated, _ITEMS[kind])} ({money(used.estimated_usd)})" for kind, used in estimated
        ]
        yield f"~ includes estimates: {', '.join(parts)}."
    if costs.total.total.unknown:
        yield "≥ leaves out what has no known cost:"
        yield from (f"  {unpriced_words(each)}" for each in costs.unpriced[:_NOTES_SHOWN])
        if (more := len(costs.unpriced) - _NOTES_SHOWN) > 0:
            yield f"  and {more} more; --json lists all"


def unpriced_words(each: Unpriced) -> str:
    """`training of qwen-3-32b on together: 3 runs, no price`."""
    what = {Kind.EVALUATION: "calls to", Kind.GENERATION: "calls to"}.get(each.kind, f"{each.kind} of")
    tier = f" ({printable(each.tier)})" if each.tier else ""
    place = f"{printable(each.model) or 'an unknown model'} on {printable(each.endpoint)}{tier}"
    why = {
        Lack.PRICE: "no price",
        Lack.TOKENS: "no tokens reported",
        Lack.ENDPOINT: "the endpoint is not in ftorch.toml",
    }[each.lack]
    return f"{what} {place}: {plural(each.items, _ITEMS[each.kind])}, {why}"


def amount_cell(used: Sum) -> Number:
    """`~$3.63`; programs get None for an amount of which nothing is known."""
    if not used.items:
        return Number("–", value=0.0, unit="USD")
    if used.is_unknown:
        return Number("unknown", Meaning.WARNING, value=None, unit="USD")
    marks = ("≥" if used.unknown else "") + ("~" if used.estimated_usd else "")
    return Number(f"{marks}{_short(used.usd)}", value=used.usd, unit="USD")


def _short(usd: float) -> str:
    """Without cents from $1,000."""
    return f"${usd:,.0f}" if usd >= 1000 else money(usd)


def _title(costs: Costs) -> str:
    by = f"tag {printable(costs.grouping.tag)}" if costs.grouping.tag else str(costs.grouping.by)
    since = "" if costs.since is None else f" since {moment(costs.since)}"
    return f"Costs by {by}{' (UTC)' if costs.grouping.by is By.MONTH else ''}{since}, in US dollars"


# --- Caps --------------------------------------------------------------------------------------------------------


def caps_table(caps: Caps, *, limit: int | None = None) -> Table:
    """A row for each endpoint with a cap on the month, then one for each job file with a cap."""
    shown = caps.job_files if limit is None else caps.job_files[:limit]
    rows = [
        *(_cap_row(f"{printable(each.endpoint)}, this month", each) for each in caps.endpoints),
        *(_cap_row(f"{printable(each.name)} on {printable(each.endpoint)}", each) for each in shown),
    ]
    columns = [Column("CAP ON", fit=Fit.FOLD), _amounts("USED"), _amounts("CAP"), _amounts("LEFT")]
    left_out = len(caps.job_files) - len(shown)
    more = [f"{plural(left_out, 'more job file')} with less of the cap used: --all"] if left_out else []
    return Table(columns, rows, "Caps on training", notes=more)


def _cap_row(label: str, each: MonthToDate | JobFileCap) -> Row:
    cap, used = each.cap_usd or 0.0, each.used
    left = None if used.is_unknown else max(0.0, cap - used.usd)
    meaning = Meaning.WARNING if left is None else Meaning.BAD if left == 0.0 else Meaning.NONE
    return row(
        label,
        amount_cell(used) if used.items else Number(money(0.0), value=0.0, unit="USD"),
        Number(money(cap), value=cap, unit="USD"),
        Number(f"{'≤' if used.unknown and left else ''}{money(left)}", meaning, value=left, unit="USD"),
    )


# --- For programs ------------------------------------------------------------------------------------------------


def costs_object(costs: Costs, caps: Caps) -> dict[str, Any]:
    """US dollars; `usd` is null where nothing is known, and leaves out the `unknown_items`."""
    return {
        "by": str(costs.grouping.by),
        "tag": costs.grouping.tag,
        "since": iso(costs.since),
        "groups": [_group_object(each) for each in costs.groups],
        "total": _sums_object(costs.total),
        "unknown": [
            {
                "kind": str(each.kind),
                "endpoint": each.endpoint,
                "model": each.model,
                "tier": each.tier,
                "items": each.items,
                "missing": str(each.lack),
            }
            for each in costs.unpriced
        ],
        "caps": {
            "endpoints": [_month_object(each) for each in caps.endpoints],
            "job_files": [_job_file_object(each) for each in caps.job_files],
        },
    }


def costs_csv(costs: Costs) -> str:
    """A line for each group and one for the total, with every kind of expense."""
    amounts = [Column(heading, fit=Fit.LINE, is_number=True) for heading in (*Kind, "total", "estimated")]
    columns = [Column("group"), Column("name"), *amounts, Column("unknown items", is_number=True)]
    rows = [_csv_row(printable(each.key or ""), each) for each in costs.groups]
    return Table(columns, [*rows, _csv_row("total", costs.total)]).to_csv()


def _csv_row(key: str, group: Group) -> Row:
    total = group.total
    sums = [amount_cell(group.sums.get(kind, Sum())) for kind in Kind]
    estimated = Number("", value=total.estimated_usd)
    return row(key, printable(group.name), *sums, amount_cell(total), estimated, Number("", value=total.unknown))


def _month_object(each: MonthToDate) -> dict[str, Any]:
    return {
        "endpoint": each.endpoint,
        "used_this_month": _sum(each.used),
        "max_cost_usd_per_month": each.cap_usd,
    }


def _job_file_object(each: JobFileCap) -> dict[str, Any]:
    return {"name": each.name, "endpoint": each.endpoint, "used": _sum(each.used), "max_cost_usd": each.cap_usd}


def _group_object(group: Group) -> dict[str, Any]:
    return {"group": group.key, **({"name": group.name} if group.name else {}), **_sums_object(group)}


def _sums_object(group: Group) -> dict[str, Any]:
    return {**{str(kind): _sum(group.sums.get(kind, Sum())) for kind in Kind}, "all": _sum(group.total)}


def _sum(used: Sum) -> dict[str, float | int | None]:
    return {
        "usd": None if used.is_unknown else used.usd,
        "estimated_usd": used.estimated_usd,
        "items": used.items,
        "estimated_items": used.estimated,
        "unknown_items": used.unknown,
    }
