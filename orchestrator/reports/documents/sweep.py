"""The document of a sweep: ranking, curves over each other, the effect of each parameter, and unranked trials."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain

from orchestrator.api.reporting import SweepRecord
from orchestrator.evaluation.comparison import p_shown
from orchestrator.reports.charts.chart import TONES, Line
from orchestrator.reports.charts.curves import overlaid
from orchestrator.reports.charts.parallel import Course, Parallel, dimension
from orchestrator.reports.documents.document import Block, Code, Document, Folded, Paragraph, Section, some
from orchestrator.reports.documents.run import rehearsal, utc
from orchestrator.reports.ranking import TITLES, number, points_lines, reason
from orchestrator.reports.sweepdetails import cost_text, standing, trial_object
from orchestrator.reports.sweeps import judged_by
from orchestrator.reports.table import Bar, Cell, Column, Fit, Meaning, Number, Row, Table, facts, row
from orchestrator.reports.text import count, duration, listed, money, plural, value, varied
from orchestrator.sweeps.effects import Effect
from orchestrator.sweeps.overview import Overview
from orchestrator.sweeps.results import PointResult, TrialResult, best_repeat
from orchestrator.sweeps.trials import Parameters

_MOST_POINTS = 300
"""Drawn across parallel axes."""


def sweep_document(record: SweepRecord) -> Document:
    """Everything about a sweep on one endpoint."""
    overview = record.overview
    sweep, ranking = overview.sweep, overview.ranking
    return Document(
        kind="sweep",
        title=f"Sweep {sweep.name} on {sweep.endpoint}",
        lead=_lead(overview),
        models=[*([("best", overview.best_model)] if overview.best_model else []), ("base", overview.job.model)],
        warnings=rehearsal(record.config, overview.job.model, is_open_weights=_has_weights(overview)),
        sections=some(
            Section("summary", "Summary", [_summary(overview)]),
            Section("ranking", "Ranking", list(_ranking(overview))),
            Section("curves", "Curves", list(_curves(record))),
            Section("parameters", "Parameters and scores", list(_parallel(overview))),
            Section("effects", "Effects", list(_effects(overview))),
            Section("unranked", "Trials without a place", list(_unranked(overview))),
            Section("suggestions", "Worth a try next", list(_suggestions(overview))),
        ),
        records=partial(_records, overview, ranking.metric),
        paths=[sweep.job_file, *_files(overview)],
    )


def _has_weights(overview: Overview) -> bool:
    return any(record.run.base_folder for record in overview.trials)


def _files(overview: Overview) -> list[str]:
    runs = [record.run for record in overview.trials[:1]]
    return [path for run in runs for path in (run.training_path, run.validation_path, run.base_folder) if path]


def _lead(overview: Overview) -> str:
    best = overview.ranking.best
    said = standing(overview)
    if best is None or best.score is None:
        return f"{said}. No trial has a result yet."
    found = f"{overview.ranking.metric} {number(best.score.value)}"
    return f"{said}. Best: {listed(best.trial.parameters)}, with {found}."


def _summary(overview: Overview) -> Table:
    sweep, settings = overview.sweep, overview.settings
    rule = f", stopping by {settings.stop.rule}" if settings.stop else ""
    return facts(
        [
            ("sweep", sweep.id),
            ("strategy", f"{settings.strategy}{rule}"),
            ("judged by", judged_by(overview.job)),
            ("cost", cost_text(overview)),
            ("submitted", utc(sweep.created_at)),
            ("stopped", utc(sweep.stopped_at) if sweep.stopped_at else "no"),
            ("job file", sweep.job_file),
        ]
    )


# --- The ranking ----------------------------------------------------------------------------------------------


def _ranking(overview: Overview) -> Iterator[Block]:
    ranking = overview.ranking
    if not ranking.ranked:
        yield Paragraph("No trial has a result yet.", Meaning.MUTED)
        return
    if ranking.verdict:
        yield Paragraph(ranking.verdict)
    names = varied(point.parameters for point in ranking.ranked)
    has_spread = any(point.spread is not None for point in ranking.ranked)
    has_cases = bool(ranking.p_to_first)
    columns = [
        *(Column(heading, fit=Fit.LINE, is_number=True) for heading in ("#", ranking.metric)),
        *([Column("spread", fit=Fit.LINE, is_number=True)] if has_spread else []),
        *(Column(heading, fit=Fit.LINE) for heading in (("95 % CI", "p to first") if has_cases else ())),
        *(Column(name, fit=Fit.LINE, is_number=True) for name in names),
        Column("run", fit=Fit.LINE),
        *(Column(heading, fit=Fit.LINE, is_number=True) for heading in ("step", "tokens", "cost", "time")),
        Column("model", fit=Fit.FOLD),
    ]
    shown = enumerate(ranking.ranked, 1)
    rows = [_place(place, point, names, overview, spread=has_spread, cases=has_cases) for place, point in shown]
    yield Table(columns, rows)


def _place(
    place: int, point: PointResult, names: Sequence[str], overview: Overview, *, spread: bool, cases: bool
) -> Row:
    best = best_repeat(point, overview.settings.goal)
    score, repeats = best.score, len(point.scored)
    note = f" and {plural(repeats - 1, 'repeat')}" if repeats > 1 else ""
    cells: list[Cell | str] = [Number(str(place), value=place), Number(number(point.mean), value=point.mean)]
    cells += [Number(number(point.spread), value=point.spread)] if spread else []
    cells += _sureness(best, point, overview) if cases else []
    cells += [_parameter(point.parameters, name) for name in names]
    cells += [Cell(best.run_id, note=note, ref=f"run:{best.run_id}"), _step(best)]
    cells += [
        Number(
            "–" if point.trained_tokens is None else count(round(point.trained_tokens)), value=point.trained_tokens
        ),
        Number(money(point.cost_usd), value=point.cost_usd, unit="USD"),
        Number("–" if point.seconds is None else duration(point.seconds), value=point.seconds, unit="s"),
        Cell(score.model, ref=f"model:{score.model}") if score and score.model else "",
    ]
    return row(*cells, meaning=Meaning.GOOD if place == 1 else Meaning.NONE)


def _sureness(best: TrialResult, point: PointResult, overview: Overview) -> list[Cell | str]:
    interval = best.score.interval if best.score and len(point.scored) == 1 else None
    p_value = overview.ranking.p_to_first.get(best.run_id)
    between = f"{interval.low:.2f} to {interval.high:.2f}" if interval else "–"
    return [between, Number("–" if p_value is None else p_shown(p_value), value=p_value)]


def _parameter(given: Parameters, name: str) -> Cell:
    if name not in given:
        return Cell("–")
    found = given[name]
    return Cell(value(found)) if isinstance(found, str) else Number(value(found), value=found)


def _step(best: TrialResult) -> Cell:
    step = best.score.step if best.score else None
    return Cell("–") if step is None else Number(f"{step:,} of {best.final_step or '?'}", value=step)


# --- Drawings -------------------------------------------------------------------------------------------------


def _curves(record: SweepRecord) -> Iterator[Block]:
    """The best on top and in the strongest colour; trials without a place are palest."""
    ordered = _by_place(record.overview)
    drawn = [(place, result) for place, result in enumerate(ordered) if record.metrics.get(result.run_id)]
    chart = overlaid(
        [(_line(place, result, len(ordered)), record.metrics[result.run_id]) for place, result in reversed(drawn)]
    )
    if chart.is_empty:
        yield Paragraph("No training step is measured yet.", Meaning.MUTED)
        return
    yield chart
    some = f"{len(drawn)} of {len(ordered):,} trials, evenly from the best to the worst. "
    few = some if len(drawn) < len(ordered) else ""
    yield Paragraph(
        f"{few}The stronger the colour, the better the trial; the thick line is the best.", Meaning.MUTED
    )


def _line(place: int, result: TrialResult, of: int) -> Line:
    return Line(
        f"{listed(result.trial.parameters)} ({result.run_id})",
        (),
        result.run_id,
        tone=_tone(place, of) if result.score else 0,
        is_strong=place == 0 and result.score is not None,
    )


def _by_place(overview: Overview) -> list[TrialResult]:
    """The best first, those without a place last."""
    points = (*overview.ranking.ranked, *overview.ranking.others)
    return list(chain.from_iterable(point.results for point in points))


def _tone(place: int, of: int) -> int:
    """From the strongest colour for the first place to the palest but one for the last."""
    return TONES - 1 - round((TONES - 2) * place / max(1, of - 1))


def _parallel(overview: Overview) -> Iterator[Block]:
    points = overview.ranking.ranked
    names = varied(point.parameters for point in points)
    if len(points) < 2 or not names:
        return
    shown = points[:_MOST_POINTS]
    metric = overview.ranking.metric
    axes = [dimension(name, [point.parameters.get(name) for point in shown]) for name in names]
    axes.append(dimension(metric, [point.mean for point in shown]))
    courses = [
        Course(
            f"{listed(point.parameters)}: {metric} {number(point.mean)}",
            [*(point.parameters.get(name) for name in names), point.mean],
            _tone(place, len(shown)),
            is_strong=place == 0,
        )
        for place, point in enumerate(shown)
    ]
    yield Parallel("Each line is a point; the strongest is the best", axes, courses[::-1])
    if len(shown) < len(points):
        yield Paragraph(f"The best {len(shown)} of {len(points):,} points.", Meaning.MUTED)


# --- Effects, and trials without a place ----------------------------------------------------------------------


def _effects(overview: Overview) -> Iterator[Block]:
    if not overview.effects:
        return
    yield Paragraph(reason(overview.effects, overview.settings))
    for effect in overview.effects:
        yield _effect(effect, overview.ranking.metric)


def _effect(effect: Effect, metric: str) -> Table:
    longest = max(abs(level.mean) for level in effect.levels)
    columns = [
        Column(effect.parameter, fit=Fit.LINE),
        *(Column(heading, fit=Fit.LINE, is_number=True) for heading in ("points", f"mean {metric}")),
        Column("", "bar"),
    ]
    rows = [
        row(
            level.label,
            Number(str(level.points), value=level.points),
            Number(number(level.mean), value=level.mean),
            Bar(done=abs(level.mean), total=longest),
        )
        for level in effect.levels
    ]
    importance = "" if effect.importance is None else f"; importance {effect.importance:.0%} (Optuna)"
    note = f"Explains {effect.share:.0%} of the differences; chance alone {effect.by_chance:.0%}{importance}."
    return Table(columns, rows, effect.parameter, [note])


def _unranked(overview: Overview) -> Iterator[Block]:
    results = [result for result in _by_place(overview) if not result.score]
    for state, title in TITLES.items():
        found = sorted((each for each in results if each.state is state), key=lambda each: each.trial.number)
        if found:
            yield Folded(f"{title}: {plural(len(found), 'trial')}", [_trials(found)], len(found) <= 10)
    if overview.removed:
        removed = [record.result for record in overview.removed]
        yield Folded(f"No longer in the job file: {plural(len(removed), 'trial')}", [_trials(removed)])


def _trials(results: Sequence[TrialResult]) -> Table:
    columns = [
        Column("trial", fit=Fit.LINE, is_number=True),
        Column("run", fit=Fit.LINE),
        *(Column(heading, fit=Fit.FOLD) for heading in ("parameters", "reason")),
    ]
    rows = [
        row(
            Number(str(each.trial.number), value=each.trial.number),
            Cell(each.run_id, ref=f"run:{each.run_id}"),
            listed(each.trial.parameters),
            each.reason,
        )
        for each in results
    ]
    return Table(columns, rows)


def _suggestions(overview: Overview) -> Iterator[Block]:
    if overview.suggestions:
        rows = [row(listed(each.parameters), each.reason) for each in overview.suggestions]
        yield Table([Column("parameters", fit=Fit.FOLD), Column("reason", fit=Fit.FOLD)], rows)
        yield Paragraph("Put this in [sweep] of the job file and submit it; trained points are not paid for again:")
        yield Code("\n".join(points_lines([each.parameters for each in overview.suggestions])))


def _records(overview: Overview, metric: str) -> Table:
    """A row for each trial."""
    found = [trial_object(record) for record in (*overview.trials, *overview.removed)]
    names = varied(each["parameters"] for each in found)
    keys = [key for key in (found[0] if found else ()) if key != "parameters"]
    columns = [Column(key=metric if key == "score" else key) for key in (*keys[:2], *names, *keys[2:])]
    rows = []
    for each in found:
        values = [each["parameters"].get(name) for name in names]
        cells = (*(each[key] for key in keys[:2]), *values, *(each[key] for key in keys[2:]))
        rows.append(Row([_plain(data) for data in cells]))
    return Table(columns, rows)


def _plain(data: str | float | None) -> Cell:
    return Cell(data) if isinstance(data, str) else Number("" if data is None else str(data), value=data)
