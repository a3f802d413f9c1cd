"""Deployments for the terminal: the plan of one, its steps, and all of them with what they cost."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from orchestrator.config import EndpointConfig
from orchestrator.dataset.hosting import hosting_words as words_of
from orchestrator.deployments.account import Standing, Survey
from orchestrator.deployments.hosting import cost_per_hour
from orchestrator.deployments.recording import Planned
from orchestrator.endpoints.management import gpus_of, rules_of
from orchestrator.reports.table import Cell, Column, Fit, Meaning, Number, Row, Table, facts, row, terminal_text
from orchestrator.reports.text import ago, duration, iso, money, print_wrapped, printable
from orchestrator.store.deployments import Deployment

_MEANINGS = {
    "wanted": Meaning.MUTED,
    "deploying": Meaning.STARTING,
    "deployed": Meaning.GOOD,
    "undeploying": Meaning.STARTING,
    "undeployed": Meaning.MUTED,
    "failed": Meaning.BAD,
}
_FULL_WIDTH = 150
"""From this many characters on, a deployment fits into one line."""


def print_deployment_plan(planned: Planned, known: Deployment | None, console: Console) -> None:
    """What will be deployed where, for how much."""
    subject = planned.subject
    console.print(f"Deployment: {printable(planned.name)} on {subject.config.name}", style="bold")
    said = [
        ("model", printable(subject.model)),
        ("hosting", f"{planned.sku}: {hosting_words(subject.config, subject.model, planned.sku)}"),
        ("capacity", rules_of(subject.config).capacity_words.format(capacity=planned.capacity)),
    ]
    console.print(facts(said))
    if known is not None:
        print_wrapped(f"It already exists ({known.state}); ftorch uses it.", console)


def hosting_words(config: EndpointConfig, model: str, sku: str) -> str:
    """What hosting costs and how long it lasts."""
    per_hour = cost_per_hour(config, model, sku)
    is_always = gpus_of(sku) is None and bool(rules_of(config).skus)
    if per_hour is None:
        cost = f"hosting at an unknown price, charged by the hour{', used or not' if is_always else ''}"
    elif per_hour == 0:
        cost = "no hosting charge"
    else:
        cost = words_of(per_hour, is_always=is_always)
    if not is_always:
        return f"{cost} while it runs; {rules_of(config).end}"
    life = "Azure removes it after 24 hours" if sku == "DeveloperTier" else rules_of(config).end
    return f"{cost}; calls are charged in addition; {life}"


class DeploymentLines:
    """A Listener that prints each step as a line."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def moved(self, deployment: Deployment) -> None:
        if deployment.state != "failed":  # why it failed is the command's own last word
            self._print(deployment)

    def noted(self, deployment: Deployment) -> None:
        self._print(deployment)

    def warned(self, text: str) -> None:
        self._console.print(f"Warning: {printable(text)}", style="yellow", soft_wrap=True)

    def _print(self, deployment: Deployment) -> None:
        line = f"{deployment.name} {deployment.state}: {deployment.reason}"
        self._console.print(printable(line), soft_wrap=True)


def answering_line(deployment: Deployment, config: EndpointConfig) -> str:
    """Says that it answers, what it costs and how to remove it."""
    took = ""
    if deployment.requested_at is not None and deployment.deployed_at is not None:
        took = f" after {duration(deployment.deployed_at - deployment.requested_at)}"
    words = hosting_words(config, str(deployment.model), deployment.sku)
    return f"{deployment.name} answers{took}: {words}. Remove it: ftorch deployments remove {deployment.name}"


def waiting_line(deployment: Deployment) -> str:
    """Says that it is being created, and what follows it."""
    return f"{deployment.name} is {deployment.state} ({printable(deployment.reason)}); ftorch resume follows it"


def print_standings(standings: Sequence[Standing], console: Console) -> None:
    """All deployments with their costs: a table on a wide terminal, else one below the other."""
    now = time.time()
    if console.width >= _FULL_WIDTH:
        console.print(standings_table(standings, now))
        for each in standings:
            if each.state == "failed":
                print_wrapped(printable(f"{each.name} failed: {each.reason}"), console, indent="")
    else:
        for each in standings:
            _print_block(each, now, console)
    known = [each.cost_usd_per_day for each in standings if each.cost_usd_per_day]
    if known:
        stops = any(each.cost_usd_per_day and gpus_of(each.sku or "") for each in standings)
        how = "if none of them is stopped" if stops else "used or not"
        print_wrapped(f"Together {money(sum(known))} a day for hosting, {how}.", console, indent="")
    print_wrapped('"Last used" counts the requests of ftorch only.', console, indent="")


def print_troubles(troubles: Sequence[str], console: Console) -> None:
    """Accounts that could not be queried."""
    for trouble in troubles:
        text = f"Warning: this is what ftorch recorded, not what the account has. {printable(trouble)}"
        console.print(text, style="yellow", soft_wrap=True)


def hosting_warning(standings: Sequence[Standing], now: float) -> str | None:
    """A line about deployments that are charged but unused; None where there are none."""
    # Hardware that is charged only while it runs has been stopped by then.
    idle = [
        each for each in standings if each.is_idle and each.cost_usd_per_day != 0 and not gpus_of(each.sku or "")
    ]
    if not idle:
        return None
    named = ", ".join(f"{printable(each.name)} ({_usage(each, now)}, {_cost(each)})" for each in idle)
    return f"Charged and not used by ftorch for a day: {named}. Remove: ftorch deployments remove NAME"


def standings_table(standings: Sequence[Standing], now: float) -> Table:
    """A row for each deployment."""
    names = ("STATE", "SKU", "CAPACITY", "COST", "A DAY", "LAST USED", "ENDS")
    columns = [
        Column("NAME", fit=Fit.FOLD),
        *(Column(name, fit=Fit.CROP) for name in names),
        Column("MODEL", fit=Fit.BELOW, takes_rest=True),
    ]
    return Table(columns, [_row(each, now) for each in standings])


def _row(each: Standing, now: float) -> Row:
    cost = None if each.recorded is None else each.cost_usd
    return row(
        printable(each.name),
        _state(each),
        each.sku or "–",
        Number(str(each.capacity or "–"), value=each.capacity, unit="thousand tokens a minute"),
        Number(_so_far(each), value=cost, unit="USD"),
        Number(money(each.cost_usd_per_day), value=each.cost_usd_per_day, unit="USD a day"),
        _last_used(each, now),
        _end(each, now),
        printable(each.model or "its run's"),
    )


def _print_block(each: Standing, now: float, console: Console) -> None:
    state = terminal_text(_state(each))
    console.print(Text.assemble((printable(each.name), "bold"), "  ", state, f" on {each.endpoint}"))
    print_wrapped(printable(each.model or "waits for its run's model"), console)
    parts = [f"{each.sku or 'sku unknown'}, capacity {each.capacity or 'unknown'}", _cost(each)]
    if each.recorded is not None and each.recorded.deployed_at is not None:
        parts.append(_usage(each, now))
    if each.ends_at is not None:
        unless = "" if each.sku == "DeveloperTier" else " unless it is used"
        parts.append(f"Azure removes it in {duration(each.ends_at - now)}{unless}")
    print_wrapped("; ".join(parts), console)
    if each.state in ("deploying", "undeploying", "failed"):
        print_wrapped(printable(each.reason), console)


def _state(each: Standing) -> Cell:
    note = ""
    if each.recorded is None or each.recorded.made_elsewhere:
        note = ", made elsewhere"
    elif each.recorded.temporary:
        note = ", for an evaluation"
    return Cell(each.state, _MEANINGS.get(each.state, Meaning.NONE), note)


def _so_far(each: Standing) -> str:
    return "–" if each.recorded is None else money(each.cost_usd)


def _cost(each: Standing) -> str:
    if each.cost_usd_per_day is None:
        return "hosting cost unknown"
    if each.cost_usd_per_day == 0:
        return "no hosting charge"
    so_far = f"{money(each.cost_usd)} so far, " if each.recorded is not None else ""
    return f"{so_far}{money(each.cost_usd_per_day)} a day"


def _usage(each: Standing, now: float) -> str:
    if each.in_use:
        return "in use now"
    return "never used" if each.last_used_at is None else f"last used {ago(each.last_used_at, now)}"


def _last_used(each: Standing, now: float) -> str:
    return "now" if each.in_use else "–" if each.last_used_at is None else ago(each.last_used_at, now)


def _end(each: Standing, now: float) -> str:
    return "–" if each.ends_at is None else f"in {duration(each.ends_at - now)}"


# --- Deployments as JSON objects ------------------------------------------------------------------------------


def survey_object(found: Survey) -> dict[str, Any]:
    """All deployments, and the reason why an account could not be queried."""
    return {"deployments": [_standing_object(each) for each in found.standings], "troubles": list(found.troubles)}


def _standing_object(each: Standing) -> dict[str, Any]:
    recorded = each.recorded
    return {
        "name": each.name,
        "endpoint": each.endpoint,
        "model": each.model,
        "run": recorded.run_id if recorded else None,
        "state": each.state,
        "reason": each.reason,
        "sku": each.sku,
        "capacity": each.capacity,
        "made_by_ftorch": recorded is not None and not recorded.made_elsewhere,
        "temporary": recorded is not None and recorded.temporary,
        "in_use": each.in_use,
        "hosting_cost_usd": each.cost_usd,
        "hosting_cost_usd_per_day": each.cost_usd_per_day,
        "last_used_at": iso(each.last_used_at),
        "ends_at": iso(each.ends_at),
        "is_idle": each.is_idle,
    }
