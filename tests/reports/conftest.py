"""Terminals of any width, and points of a sweep with the scores that a test wants."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from rich.console import Console

from orchestrator.sweeps.results import Score, TrialResult, TrialState
from orchestrator.sweeps.trials import Trial

Screen = Callable[..., Console]


def text_of(console: Console) -> list[str]:
    """The lines that were printed, without the blanks at their ends."""
    file = console.file
    assert isinstance(file, io.StringIO)
    return [line.rstrip() for line in file.getvalue().splitlines()]


@pytest.fixture
def screen() -> Screen:
    """Makes a terminal without colours of the given width and height."""

    def make(width: int = 80, height: int = 24) -> Console:
        return Console(
            file=io.StringIO(),
            width=width,
            height=height,
            force_terminal=True,
            color_system=None,
            highlight=False,
            markup=False,
            emoji=False,
        )

    return make


@pytest.fixture
def lines_of() -> Callable[[Console], list[str]]:
    return text_of


@pytest.fixture
def make_result() -> Callable[..., TrialResult]:
    """Makes a trial's result: succeeded with the score that is given, else in the state that is given."""

    def make(
        number: int,
        score: float | None = None,
        *,
        state: TrialState = TrialState.SUCCEEDED,
        repeat: int = 0,
        step: int = 300,
        is_whole: bool = True,
        reason: str = "",
        **parameters: float | str,
    ) -> TrialResult:
        return TrialResult(
            trial=Trial(number, parameters, repeat),
            state=state,
            run_id=f"run{number:05}",
            score=None if score is None else Score(score, step, f"ft:model:{number}", is_whole),
            final_step=300,
            reason=reason,
            cost_usd=1.25,
            trained_tokens=1000,
            seconds=65.0,
        )

    return make
