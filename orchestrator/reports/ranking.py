"""The ranking of a sweep's points, and the trials that are not ranked, with the reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from rich.console import Console

from orchestrator.evaluation.comparison import p_shown
from orchestrator.evaluation.statistics import Interval
from orchestrator.jobfile import Sweep
from orchestrator.reports.table import Cell, Column, Fit, Meaning, Number, Row, Table, row
from orchestrator.reports.text import (
    count,
    duration,
    heading,
    listed,
    money,
    plural,
    print_wrapped,
    printable,
    value,
    varied,
)
from orchestrator.sweeps.effects import Effect, Level
from orchestrator.sweeps.results import PointResult, Ranking, TrialResult, TrialState, best_repeat
from orchestrator.sweeps.tpe import Suggestion
from orchestrator.sweeps.trials import Parameters

SHOWN_POINTS = 20
_SHOWN_TRIALS = 5
_WIDTH_BESIDE_PARAMETERS = 54
_PARAMETER_WIDTH = 12
_SPREAD_WIDTH = 13
"""How much longer RUN is where points are repeated."""
_STEP_WIDTH = 11
_CASES_WIDTH = 18
"""Of the interval and the p-value that an evaluation gives."""

_NOT_WHOLE = {
    False: "measured on a part of the validation file, as the endpoint measured no more",
    True: "not every question got an answer; ftorch evaluate JOBFILE asks the rest",
}

TITLES: Mapping[TrialState, str] = {
    TrialState.PRUNED: "Stopped by the rule",
    TrialState.FAILED: "Failed",
    TrialState.CANCELLED: "Cancelled",
    TrialState.SUCCEEDED: "Not measured, so not ranked",
}


def print_ranking(
    ranking: Ranking,
    sweep: Sweep,
    console: Console,
    limit: int | None = SHOWN_POINTS,
    *,
    title: str = "\nRanking",
) -> None:
    """The points, the best first, at most `limit` of them (None: all), and how sure the first place is.

    Without a `title` it is part of something shorter than `sweep show`.
    """
    if title:
        console.print(title, style="bold")
    if not ranking.ranked:
        console.print("  No trial has a result yet.")
        return
    shown = [_Line(point, best_repeat(point, sweep.goal)) for point in ranking.ranked[:limit]]
    console.print(_ranked(shown, ranking, console.width))
    if left := len(ranking.ranked) - len(shown):
        hint = "; --all shows every one" if title else ""
        console.print(f"  and {plural(left, 'worse point')}{hint}", style="dim")
    if any(line.is_partly for line in shown):
        console.print(f"  ~ {_NOT_WHOLE[sweep.by_evaluation]}", style="dim")
    if ranking.verdict:
        print_wrapped(ranking.verdict, console)


def print_unranked(ranking: Ranking, console: Console, limit: int | None = _SHOWN_TRIALS) -> None:
    """The trials that were stopped, failed, or have no result, by outcome: at most `limit` of each."""
    results = [result for point in (*ranking.ranked, *ranking.others) for result in point.results]
    for state, title in TITLES.items():
        found = [each for each in results if each.state is state and not each.score]
        found.sort(key=lambda each: each.trial.number)
        if found:
            console.print(f"\n{title} ({len(found):,})", style="bold")
            _print_trials(found, console, limit)


def _print_trials(results: Sequence[TrialResult], console: Console, limit: int | None) -> None:
    for result in islice(results, limit):
        why = f": {printable(result.reason)}" if result.reason else ""
        print_wrapped(f"trial {result.trial.number} ({listed(result.trial.parameters)}){why}", console)
    if limit is not None and len(results) > limit:
        console.print(f"  and {len(results) - limit:,} more; --all shows every one", style="dim")


# --- the table ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Line:
    """A point, and that of its repeats which is shown for it."""

    point: PointResult
    best: TrialResult

    @property
    def step(self) -> int | None:
        return self.best.score.step if self.best.score else None

    @property
    def is_partly(self) -> bool:
        return self.best.score is not None and not self.best.score.is_whole

    @property
    def interval(self) -> Interval | None:
        """Over the cases of an evaluation."""
        return self.best.score.interval if self.best.score else None

    @property
    def is_earlier(self) -> bool:
        """Whether its score is that of a checkpoint before the last step."""
        return self.step is not None and self.best.final_step is not None and self.step < self.best.final_step


def _ranked(lines: Sequence[_Line], ranking: Ranking, width: int) -> Table:
    """Narrow terminals show parameters by short names, and leave out columns that do not fit."""
    names = varied(line.point.parameters for line in lines)
    is_wide = width >= _wide(lines) + _PARAMETER_WIDTH * len(names)
    before, after = _titles(lines, is_wide)
    first = (Column("  #", "rank"), Column(ranking.metric.upper().replace("_", "\n"), ranking.metric))
    columns = [
        *(replace(each, fit=Fit.LINE, is_number=True) for each in (*first, *map(Column, before))),
        *(_parameter_column(name, lines, is_wide) for name in names),
        Column("RUN", fit=Fit.LINE),
        *(Column(title, fit=Fit.LINE, is_number=True) for title in after),
    ]
    rows = []
    for place, line in enumerate(lines, 1):
        found = _facts(line, ranking)
        rows.append(
            row(
                Number(f"{place:>3}", value=place),
                Number(_mean(line), value=line.point.mean),
                *(found[title] for title in before),
                *(_parameter(line.point.parameters, name) for name in names),
                _run(line),
                *(found[title] for title in after),
                meaning=Meaning.GOOD if place == 1 else Meaning.NONE,
            )
        )
    return Table(columns, rows, gap=(0, 2))


def _parameter_column(name: str, lines: Sequence[_Line], is_wide: bool) -> Column:
    """Numbers are never broken over two lines."""
    is_text = any(isinstance(line.point.parameters.get(name), str) for line in lines)
    return Column(heading(name, is_wide), name, Fit.FOLD if is_text else Fit.CROP)


def _parameter(given: Parameters, name: str) -> Cell:
    if name not in given:
        return Cell("–")
    found = given[name]
    return Cell(value(found)) if isinstance(found, str) else Number(value(found), value=found)


def _wide(lines: Sequence[_Line]) -> int:
    """The characters that all columns but those of the parameters take."""
    spread = _SPREAD_WIDTH if any(line.point.spread is not None for line in lines) else 0
    cases = _CASES_WIDTH if any(line.interval for line in lines) else 0
    return (
        _WIDTH_BESIDE_PARAMETERS + spread + cases + (_STEP_WIDTH if any(line.is_earlier for line in lines) else 0)
    )


def _titles(lines: Sequence[_Line], is_wide: bool) -> tuple[list[str], list[str]]:
    """The columns before and after the parameters. Spread and step are shown where there is something to see."""
    before = ["SPREAD"] if any(line.point.spread is not None for line in lines) else []
    if any(line.interval for line in lines):
        before += ["95 %", "P VS\n1ST"]
    if not is_wide:
        return before, ["COST"]
    return [*before, *(["STEP"] if any(line.is_earlier for line in lines) else [])], ["TOKENS", "COST", "TIME"]


def _facts(line: _Line, ranking: Ranking) -> dict[str, Cell]:
    point = line.point
    p_value = ranking.p_to_first.get(line.best.run_id)
    tokens = "–" if point.trained_tokens is None else count(round(point.trained_tokens))
    seconds = "–" if point.seconds is None else duration(point.seconds)
    return {
        "95 %": Cell(_interval(line)),
        "P VS\n1ST": Number("–" if p_value is None else p_shown(p_value), value=p_value),
        "SPREAD": Number(number(point.spread), value=point.spread),
        "STEP": Cell("–" if line.step is None else f"{line.step}/{line.best.final_step or '?'}"),
        "TOKENS": Number(tokens, value=point.trained_tokens, unit="tokens"),
        "COST": Number(money(point.cost_usd), value=point.cost_usd, unit="USD"),
        "TIME": Number(seconds, value=point.seconds, unit="s"),
    }


def _interval(line: _Line) -> str:
    """Of a single training: a mean of several has none."""
    found = line.interval
    return f"{found.low:.2f}-{found.high:.2f}" if found and len(line.point.scored) == 1 else "–"


def _mean(line: _Line) -> str:
    return ("~" if line.is_partly else "") + number(line.point.mean)


def _run(line: _Line) -> str:
    others = len(line.point.scored) - 1
    return f"{line.best.run_id} +{others}" if others else line.best.run_id


def number(score: float | None) -> str:
    """A score or a spread: four digits after the point, where it is not huge."""
    if score is None:
        return "–"
    return f"{score:.4f}" if abs(score) < 1000 else f"{score:.2e}"


# --- What each parameter of a sweep did, and what would be worth a try next -----------------------------------


_BAR = 20
_LEVEL_WIDTH = 14
_STANDS_OUT = 0.3
"""The share of the differences beyond chance from which on a parameter is called a reason."""
_RIVAL = 0.5
"""A parameter with this part of the leading one's share is named beside it."""
_SEPARATE = 1.001
"""The shares of parameters that were crossed add up to 1 at most, but for rounding."""


def print_effects(effects: Sequence[Effect], sweep: Sweep, console: Console, metric: str | None = None) -> None:
    """The mean score at each value of each parameter, its share of the differences, and which one decided.

    `metric` is what the scores are, where the sweep's own word for it is only "evaluation".
    """
    if not effects:
        return
    console.print("\nEffects", style="bold")
    for effect in effects:
        print_wrapped(f"{effect.parameter}: {_share(effect)}", console)
        console.print(_levels(effect, metric or sweep.metric))
    print_wrapped(reason(effects, sweep), console)


def reason(effects: Sequence[Effect], sweep: Sweep) -> str:
    """Which parameter decided, as a sentence."""
    most = max(effect.beyond_chance for effect in effects)
    leading = [effect for effect in effects if effect.beyond_chance >= _RIVAL * most]
    if most < _STANDS_OUT:
        return "No single parameter stands out: they act together, or the differences are chance."
    if sum(effect.share for effect in leading) > _SEPARATE:
        names = " and ".join(effect.parameter for effect in leading)
        return f"{names} changed together in these points: only a grid would tell their effects apart."
    return f"Mostly {'; and '.join(_said(effect, sweep) for effect in leading)}."


def _said(effect: Effect, sweep: Sweep) -> str:
    ordered = sorted(effect.levels, key=lambda level: level.mean, reverse=sweep.goal == "maximize")
    best, worst = ordered[0], ordered[-1]
    return (
        f"{effect.parameter}: {printable(best.label)} is best ({number(best.mean)} on average), "
        f"{printable(worst.label)} worst ({number(worst.mean)})"
    )


def print_suggestions(suggestions: Sequence[Suggestion], console: Console) -> None:
    """Points worth trying next, with the reason, and the line of a job file that would try them."""
    if not suggestions:
        return
    console.print("\nWorth a try next", style="bold")
    for suggestion in suggestions:
        text = f"{listed(suggestion.parameters)}: {printable(suggestion.reason)}"
        print_wrapped(text, console)
    print_wrapped(
        "Put this in [sweep] of the job file and submit it; trained points are not paid for again:", console
    )
    for line in points_lines([suggestion.parameters for suggestion in suggestions]):
        console.print(f"    {line}", soft_wrap=True)


def points_lines(points: Sequence[Parameters]) -> list[str]:
    """The `points` of a job file's `[sweep]` that hold these."""
    tables = [", ".join(f"{name} = {_toml(given)}" for name, given in point.items()) for point in points]
    return ["points = [", *(f"  {{ {table} }}," for table in tables), "]"]


def _toml(given: float | str) -> str:
    if not isinstance(given, str):
        return str(given)
    escaped = printable(given).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _levels(effect: Effect, metric: str) -> Table:
    columns = [
        Column(key=effect.parameter, fit=Fit.FOLD, least_width=_LEVEL_WIDTH),
        *(Column(key=key, fit=Fit.LINE, is_number=True) for key in ("points", "measure", "mean")),
        Column(key="bar", fit=Fit.LINE),
    ]
    longest = max(abs(level.mean) for level in effect.levels)
    rows = [_level(level, metric, longest) for level in effect.levels]
    return Table(columns, rows, has_headings=False, gap=(0, 2))


def _level(level: Level, metric: str, longest: float) -> Row:
    return row(
        f"    {printable(level.label)}",
        Number(plural(level.points, "point"), value=level.points),
        f"mean {metric}",
        Number(number(level.mean), value=level.mean),
        _bar(level, longest),
    )


def _share(effect: Effect) -> str:
    importance = "" if effect.importance is None else f", importance {effect.importance:.0%} (Optuna)"
    explained = f"explains {effect.share:.0%} of the differences (chance alone {effect.by_chance:.0%})"
    return explained + importance


def _bar(level: Level, longest: float) -> str:
    """From zero on, so that its length is to the score as one score to another."""
    return "▆" * round(_BAR * abs(level.mean) / longest) if longest else ""
