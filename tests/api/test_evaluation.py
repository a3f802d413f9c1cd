"""Carrying an evaluation out beside another process that evaluates the same."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.project import make_project

from orchestrator.api.evaluation import carry_out
from orchestrator.api.host import Host
from orchestrator.evaluation import locks
from orchestrator.evaluation.locks import hold_locks, lock_names
from orchestrator.evaluation.plan import EvaluationOptions, Plan, plan_evaluation
from orchestrator.evaluation.session import NullListener, ask_plan
from orchestrator.ledger import Ledger, open_ledger


class Watched(Host):
    """Notes what it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.is_waiting = threading.Event()
        self.asked: list[int] = []

    def say(self, text: str) -> None:
        self.is_waiting.set()

    @contextmanager
    def asking(self, questions: int) -> Iterator[NullListener]:
        self.asked.append(questions)
        yield NullListener()


def test_what_another_process_answered_meanwhile_is_not_counted_as_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project(tmp_path)
    monkeypatch.setenv("HOME", str(project.root / "home"))
    monkeypatch.setattr(locks, "LOOK_SECONDS", 0.01)
    row = json.loads((project.root / "jobs" / "train.jsonl").read_text().splitlines()[0])
    row["messages"][0]["content"] = "Switch on the light in the winter garden"
    (project.root / "jobs" / "cases.jsonl").write_text(json.dumps(row) + "\n")
    job = project.write_job('[evaluation]\nfile = "cases.jsonl"\nmodels = ["base"]\n')
    with open_ledger(project.root, create=True) as ledger:
        plan = plan_evaluation(ledger, [str(job)], EvaluationOptions())
        assert plan.missing == 1
        host, is_held = Watched(), threading.Event()
        other = threading.Thread(target=_answer_while_waited_for, args=(ledger, plan, host, is_held))
        other.start()
        assert is_held.wait(30)
        results = carry_out(ledger, plan, host)
        other.join()
    assert host.asked == [0]
    assert [series.all.answers for series in results.series] == [1]


def _answer_while_waited_for(ledger: Ledger, plan: Plan, host: Watched, is_held: threading.Event) -> None:
    with hold_locks(ledger, lock_names(plan)):
        is_held.set()
        host.is_waiting.wait(30)
        asyncio.run(ask_plan(ledger, plan))
