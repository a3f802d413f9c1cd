"""Evaluations as they are recorded, in a few words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.ledger import Ledger
from orchestrator.store import evaluations as store
from orchestrator.store.evaluations import DONE, Evaluation, Score

BASE = "gpt-4.1-mini-2025-04-14"
TUNED = "ft:gpt-4.1-mini-2025-04-14:org:drone:abc"
SHA256 = "b" * 64


def record_evaluation(
    ledger: Ledger,
    right: Mapping[tuple[str, str], Iterable[int]],
    *,
    cases: int = 10,
    tokens: Mapping[str, tuple[int, int]] | None = None,
    cached: int | None = None,
    request: str = "go up",
    found: str = "climb",
    labels: Mapping[str, str] | None = None,
    rejection_tools: Iterable[str] = (),
    **changes: Any,
) -> Evaluation:
    """An evaluation of `cases` calls of `land`: by model and variant the numbers of those that were right.

    `tokens` are prompt and answer tokens by variant; all other calls are of `found`.
    """
    models = dict.fromkeys(model for model, _ in right)
    labels = labels or {BASE: "base", TUNED: "tuned"}
    settings = {
        "models": [{"model": model, "label": labels.get(model, model)} for model in models],
        "variants": list(dict.fromkeys(variant for _, variant in right)),
        "samples": 1,
        "temperature": 0.0,
        "rejection_tools": list(rejection_tools),
        "metric": "call_accuracy",
    }
    values = {
        "id": "eval0001",
        "name": "drone",
        "job_file": None,
        "run_id": None,
        "endpoint": "openai",
        "endpoint_type": "openai",
        "file_path": "/cases.jsonl",
        "file_sha256": SHA256,
        "settings": settings,
        "state": DONE,
        "scored_with": 1,
        "created_at": 1000.0,
        "finished_at": 1100.0,
    }
    evaluation = Evaluation(**{**values, **changes})
    usage = tokens or {}
    rows = [
        _score(evaluation.id, (model, variant), number, found if number not in set(numbers) else "land", request)
        for (model, variant), numbers in right.items()
        for number in range(1, cases + 1)
    ]
    for row in rows:
        row.detail["tokens"] = usage.get(row.variant, (100, 10))  # type: ignore[index]
        row.detail["cached_tokens"] = cached  # type: ignore[index]
    with ledger.database.write() as connection:
        store.add(connection, evaluation)
        store.add_scores(connection, rows)
    return evaluation


def _score(evaluation_id: str, asked: tuple[str, str], number: int, called: str, request: str) -> Score:
    is_right = called == "land"
    difference = {"mistake": "wrong_tool", "place": "", "expected": "land", "found": called}
    detail = {
        "slices": ["all"],
        "cluster": None,
        "request": request,
        "expects": "call",
        "decision": "right_tool" if is_right else "wrong_tool",
        "difference": None if is_right else difference,
        "rejected": False,
        "expected_tools": ["land"],
        "called_tools": [called],
        "calls": [1, 1, 1, 0, 0],
        "arguments": [0, 0, 0],
        "seconds": 0.5,
    }
    level, mistake = ("typed", None) if is_right else (None, "wrong_tool")
    return Score(evaluation_id, *asked, f"case-{number}", 0, number, level, mistake, detail)
