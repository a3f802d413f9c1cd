"""Checks that a model is not measured on what it was trained on, by its run or by those that the run continues."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.dataset.checking.checks import check_file
from orchestrator.dataset.profile.leaks import Leak, leaks_between
from orchestrator.dataset.profile.prompts import Prompts
from orchestrator.errors import CasesInTraining
from orchestrator.evaluation.casefile import CaseFile
from orchestrator.evaluation.subjects import Candidate, Subject
from orchestrator.evaluation.trained import is_unchanged
from orchestrator.jobfile.addresses import is_address
from orchestrator.ledger import Ledger
from orchestrator.runs.ancestry import ancestors, base_at, maker_of
from orchestrator.runs.plan import CheckedFile, Plan
from orchestrator.store.runs import Run

_SHOWN = 5


@dataclass(frozen=True)
class TrainingFile:
    """A file that a recorded run was trained on."""

    path: str
    sha256: str
    """As recorded; "" if the file was uploaded outside ftorch."""
    owner: str = ""
    """The run, as messages name it after the path; "" for the one in question."""

    @property
    def name(self) -> str:
        return f"{self.path}{self.owner}"


# --- Which files -------------------------------------------------------------------------------------------------


def files_trained_on(ledger: Ledger, subject: Subject, asked: Iterable[Candidate]) -> list[TrainingFile]:
    """The training files of the subject's runs, of the other recorded runs that made a model asked, and of the runs
    that each of these continues."""
    with ledger.database.read() as connection:
        found = [TrainingFile(run.training_path, run.training_sha256) for run in subject.runs]
        found += [_of(each.run) for run in subject.runs for each in ancestors(connection, run)]
    made_here = {run.fine_tuned_model for run in subject.runs}
    others = [each.model for each in asked if each.model not in made_here]
    return _distinct([*found, *files_behind(ledger, subject.endpoint, others)])


def files_behind(ledger: Ledger, endpoint: str, models: Iterable[str]) -> list[TrainingFile]:
    """The training files of the recorded runs that made these models of the endpoint, and of those before them."""
    found = []
    with ledger.database.read() as connection:
        for model in models:
            if made := maker_of(connection, endpoint, model):
                found += [_of(run) for run in (made.run, *(each.run for each in ancestors(connection, made.run)))]
    return _distinct(found)


def files_of_parents(ledger: Ledger, plan: Plan) -> list[TrainingFile]:
    """The training files behind the base model of a plan."""
    folder = str(plan.weights.folder) if plan.weights else None
    return files_behind(ledger, plan.config.name, [base_at(plan.job.model, folder)])


def _of(run: Run) -> TrainingFile:
    return TrainingFile(run.training_path, run.training_sha256, f" of the parent run {run.id} ({run.name})")


def _distinct(files: Iterable[TrainingFile]) -> list[TrainingFile]:
    found: dict[tuple[str, str], TrainingFile] = {}
    for each in files:
        found.setdefault((each.path, each.sha256), each)
    return list(found.values())


# --- Cases that are in them --------------------------------------------------------------------------------------


def compare_with_training(cases: CaseFile, files: Iterable[TrainingFile], *, allow_leak: bool) -> Iterator[str]:
    """Yield a note for each training file that has nearly the same requests, or that can no longer be checked.

    Raises CasesInTraining if one has the same requests; with `allow_leak` that is a note as well.
    """
    for file in files:
        yield from _unchecked(file, "these cases") or _notes(cases, Path(file.path), allow_leak, file.owner)


def compare_with_files(cases: CaseFile, training: Collection[Path], *, allow_leak: bool) -> Iterator[str]:
    """The same for files not trained on yet. Raises CasesInTraining."""
    for path in training:
        yield from _notes(cases, path, allow_leak)


def notices_about(plan: Plan, parents: Sequence[TrainingFile], *, is_previewed: bool) -> Iterator[str]:
    """A sentence for each file of the plan that measures and has examples of a parent's training file. The cases of
    an evaluation that is previewed are left out: they are compared there, and refused."""
    roles = ("validation",) if is_previewed else ("validation", "evaluation")
    measuring = [each for each in plan.files if each.role in roles]
    for file in parents if measuring else ():
        if unchecked := _unchecked(file, " and ".join(each.file.path.name for each in measuring)):
            yield from unchecked
            continue
        prompts = _prompts(Path(file.path))
        for each in measuring:
            yield from _shared(each, list(leaks_between(prompts, each.report.survey.prompts)), file)


def _shared(checked: CheckedFile, leaks: Sequence[Leak], file: TrainingFile) -> Iterator[str]:
    if leaks:
        of = f"{len(leaks)} of {checked.report.examples}"
        yield f"{checked.file.path}: {of} examples also appear, exactly or nearly, in {file.name} ({_where(leaks)})"


def _unchecked(file: TrainingFile, what: str) -> list[str]:
    """A note if the file can't be read as it was trained on; else nothing."""
    if is_unchanged(Path(file.path), file.sha256):
        return []
    elsewhere = is_address(file.path) or not file.sha256
    why = "was read elsewhere" if elsewhere else "has moved or changed"
    return [f"the training file {file.name} {why}: it was not checked for {what}"]


def _notes(cases: CaseFile, training: Path, allow_leak: bool, owner: str = "") -> Iterator[str]:
    leaks = list(leaks_between(_prompts(training), cases.prompts))
    same, near = ([leak for leak in leaks if leak.exact is exact] for exact in (True, False))
    name = f"{training}{owner}"
    if same and not allow_leak:
        facts = {"path": cases.path, "count": len(same), "of": cases.cases, "training": name}
        raise CasesInTraining(**facts, where=_where(same))
    if same:
        yield f"{len(same)} of {cases.cases} cases also appear in {name}: correct answers to them prove nothing"
    if near:
        first = near[0]
        yield (
            f"{len(near)} of {cases.cases} cases are nearly the same as examples of {name}; "
            f"the first: line {first.line} is like line {first.other_line} there"
        )


def _where(leaks: Sequence[Leak]) -> str:
    first = ", ".join(f"line {leak.line} is line {leak.other_line} there" for leak in leaks[:_SHOWN])
    return first + (", …" if len(leaks) > _SHOWN else "")


def _prompts(path: Path) -> Prompts:
    return check_file(path, method=None, purpose="evaluation", count_tokens=False).survey.prompts
