"""An evaluation of a sweep's trials: their scores, and which of them differ significantly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import Connection

from orchestrator.evaluation.comparison import adjusted, p_shown, p_value
from orchestrator.evaluation.metrics import METRICS, value_of
from orchestrator.evaluation.scores import SeriesScores, pairs, scores_of
from orchestrator.evaluation.statistics import SIGNIFICANCE
from orchestrator.jobfile import Evaluation as Settings, JobFile, ScoreName
from orchestrator.ledger import Ledger
from orchestrator.store import evaluations as store
from orchestrator.store.evaluations import Evaluation
from orchestrator.store.sweeps import RecordedSweep
from orchestrator.sweeps.results import Ranking, Score, best_repeat

_TOLD_APART_BY: ScoreName = "call_accuracy"
"""The metric for comparing two models if the sweep's metric is not a share of answers."""


@dataclass(frozen=True)
class Evaluated:
    """An evaluation of a sweep, in its first variant, by the metric of the job file."""

    evaluation: Evaluation
    metric: ScoreName
    gathered: Mapping[str, SeriesScores]
    """By model."""
    questions: int
    """Whether each model was asked."""

    def score(self, model: str | None) -> Score | None:
        """None for a model that was not asked, or if no case counts for the metric."""
        found = self.gathered.get(model) if model else None
        if found is None:
            return None
        figures = found.tally.all.figures()
        value, measure = value_of(self.metric, figures), METRICS.get(self.metric)
        if value is None:
            return None
        is_whole = figures.answers >= self.questions
        return Score(value, None, model, is_whole, measure.of(figures).interval if measure else None)

    def p_values(self, model: str, others: Sequence[str]) -> dict[str, float]:
        """For each of the others, the p-value of its difference from the model: exact McNemar test on the same
        cases, Holm-adjusted for their number."""
        name = self.metric if self.metric in METRICS else _TOLD_APART_BY
        ours = self.gathered[model]
        return adjusted({other: p_value(pairs(ours, self.gathered[other], name)) for other in others})


def evaluated(ledger: Ledger, sweep: RecordedSweep, job: JobFile) -> Evaluated | None:
    """The newest evaluation of the sweep with the job file's questions; None if there is none yet."""
    if job.evaluation is None:
        return None
    with ledger.database.read() as connection:
        found = newest(connection, sweep, job)
    if found is None:
        return None
    variant = found.settings["variants"][0]
    gathered = {model: each for (model, its), each in scores_of(ledger, found).items() if its == variant}
    questions = max((len(each.kept) for each in gathered.values()), default=0)
    return Evaluated(found, job.evaluation.metric, gathered, questions)


def newest(connection: Connection, sweep: RecordedSweep, job: JobFile) -> Evaluation | None:
    """The newest evaluation of the sweep with its job file's questions, however it was started."""
    table, path = job.evaluation, job.evaluation_path
    if table is None or path is None:
        return None
    done = store.of_sweeps(connection, store.DONE, [sweep.id])
    return next((each for each in done if _is_as_asked(each, table, path)), None)


def judged(ranking: Ranking, found: Evaluated, bases: Mapping[str, str]) -> Ranking:
    """The ranking with its certainty by the cases; `bases` has the base model of each run."""
    firsts = [best_repeat(point, "maximize") for point in ranking.ranked]
    models = {each.run_id: each.score.model for each in firsts if each.score and each.score.model}
    if not models:
        return replace(ranking, metric=found.metric)
    first, *others = models
    p_values = found.p_values(models[first], [models[each] for each in others])
    said = [ranking.verdict, _told_apart(p_values, found), _against_base(first, models, bases, found)]
    return replace(
        ranking,
        metric=found.metric,
        p_to_first={each: p_values[models[each]] for each in others},
        verdict=" ".join(filter(None, said)),
    )


def _is_as_asked(found: Evaluation, table: Settings, path: Path) -> bool:
    settings = found.settings
    asked = (settings["samples"], settings["temperature"], settings["rejection_tools"])
    is_same = asked == (table.samples, table.temperature, sorted(table.rejection_tools))
    is_variant = table.variants is None or settings["variants"][0] == table.variants[0]
    return is_same and is_variant and Path(found.file_path).resolve() == path.resolve()


def _told_apart(p_values: Mapping[str, float], found: Evaluated) -> str:
    if not p_values:
        return ""
    alike = sum(p >= SIGNIFICANCE for p in p_values.values())
    by = "" if found.metric in METRICS else f", by {_TOLD_APART_BY}"
    test = f"(exact McNemar test{by}, Holm over {len(p_values)})"
    if not alike:
        return f"On these cases the first is ahead of each of the others by more than chance {test}."
    who = "none" if alike == len(p_values) else f"only {len(p_values) - alike}"
    return f"On these cases {who} of the {len(p_values)} others can be told apart from the first {test}."


def _against_base(first: str, models: Mapping[str, str], bases: Mapping[str, str], found: Evaluated) -> str:
    base = bases.get(first, "")
    before, after = found.score(base), found.score(models[first])
    if before is None or after is None:
        return ""
    trials = [model for run, model in models.items() if bases.get(run) == base]
    p = found.p_values(base, trials)[models[first]]
    facts = f"({after.value:.3f} against {before.value:.3f}, p = {p_shown(p)}, Holm over {len(trials)})"
    if p >= SIGNIFICANCE:
        return f"The first is not significantly different from the base {facts}."
    return f"The first is {'better' if after.value > before.value else 'worse'} than the base {facts}."
