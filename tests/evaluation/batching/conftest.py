"""A place with batches, and a file of questions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from support.batching import Place, place_with_batches
from support.evaluation import MakeRow

from orchestrator.engine import worker
from orchestrator.evaluation.plan import EvaluationOptions, Plan, plan_evaluation
from orchestrator.ledger import Ledger, open_ledger

MakePlan = Callable[..., Plan]


@pytest.fixture
def ledger(home: Path) -> Iterator[Ledger]:
    (home / "ftorch.toml").write_text("")
    with open_ledger(home, create=True) as opened:
        yield opened


@pytest.fixture
def cases(make_row: MakeRow, write_cases: Callable[..., Path]) -> Path:
    rows = [make_row(("book_table", {"place": "Roma"}), id=f"case{number}") for number in range(5)]
    for row in rows:
        row["messages"][0]["content"] = f"Book a table, please: {row['id']}"
    return write_cases(*rows)


@pytest.fixture
def make_plan(ledger: Ledger, cases: Path) -> MakePlan:
    """Plans the questions of the file for a model, to be asked in batches."""

    def make(*models: str, **options: object) -> Plan:
        given = {"file": cases, "endpoint": "local", "in_batches": True, **options}
        return plan_evaluation(ledger, models or ("gpt-x",), EvaluationOptions(**given))  # type: ignore[arg-type]

    return make


@pytest.fixture
async def place(ledger: Ledger, tmp_path: Path) -> AsyncIterator[Place]:
    async with place_with_batches(ledger, tmp_path / "elsewhere") as found:
        yield found


@pytest.fixture
def leases_fall(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever died in this process counts as gone, as a process of its own would."""
    monkeypatch.setattr(worker, "is_abandoned", lambda owner: True)
