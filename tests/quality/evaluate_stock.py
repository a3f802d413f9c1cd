"""How the tiny trainer does on jobs/stock's evaluation cases, with full and with shortened definitions.

    PYTHONPATH=tests python tests/quality/evaluate_stock.py

For each variant, trains on its train.jsonl with seeds 0 to 2 as jobs/stock.toml does (3 epochs) and prints, for the
base model and after training, the median over the seeds (lowest to highest): whole calls right for companies that
training names, whole calls right for other companies, and invented companies for which nothing is called.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from support.trainers import ask, loaded, tiny, train

from orchestrator.server.trainers.interface import Model, Requested

STOCK = Path(__file__).parents[2] / "jobs" / "stock"
VARIANTS = (".", "no-descriptions", "no-parameters")
"""Not no-tools: a server returns no calls without tools in the request, while the trainer alone would."""
SLICES = ("real", "real-unseen", "invented")
SEEDS = range(3)
EPOCHS = 3

Row = Mapping[str, Any]


def main() -> None:
    print(f"{'':26}" + "".join(f"{name:16}" for name in SLICES))
    for variant in VARIANTS:
        cases = rows(variant, "evaluation.jsonl")
        name = "full" if variant == "." else variant
        print_counts(f"{name}, base", [counts(loaded(), cases)])
        print_counts(f"{name}, tuned", [counts(tuned(variant, seed), cases) for seed in SEEDS])


def rows(variant: str, name: str) -> list[Row]:
    return [json.loads(line) for line in (STOCK / variant / name).read_text().splitlines()]


def tuned(variant: str, seed: int) -> Model:
    training = rows(variant, "train.jsonl")
    numbers = tiny().resolve(len(training), "supervised", Requested(n_epochs=EPOCHS))
    return loaded(train(training, (), numbers, seed=seed).weights)


def counts(model: Model, cases: Sequence[Row]) -> list[int]:
    """For each slice how many cases are right."""
    found = []
    for name in SLICES:
        of_slice = [case for case in cases if case["slice"] == name]
        found.append(sum(answer(model, case) == expected(case) for case in of_slice))
    return found


def expected(case: Row) -> tuple[str, Any] | None:
    calls = case["messages"][-1].get("tool_calls")
    return (calls[0]["function"]["name"], json.loads(calls[0]["function"]["arguments"])) if calls else None


def answer(model: Model, case: Row) -> tuple[str, Any] | None:
    """The first call's name and arguments; None for a text."""
    tools = [tool["function"] for tool in case.get("tools", ())]
    said = ask(model, case["messages"][:-1], tools, parallel=False)
    return (said.calls[0].name, dict(said.calls[0].arguments)) if said.calls else None


def print_counts(name: str, found: Sequence[Sequence[int]]) -> None:
    print(f"{name:26}" + "".join(f"{cell(column):16}" for column in zip(*found, strict=True)))


def cell(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{statistics.median(numbers):g}" + ("" if low == high else f" ({low}-{high})")


if __name__ == "__main__":
    main()
