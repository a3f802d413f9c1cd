"""The evaluation file of each tuned model, kept in the folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from orchestrator.dataset.variants import definitions_of_file
from orchestrator.errors import FtorchError
from orchestrator.evaluation.casefile import CaseFile, check_cases
from orchestrator.evaluation.trained import is_unchanged
from orchestrator.jobfile import load_job_to_evaluate
from orchestrator.ledger import Ledger
from orchestrator.rescue.cases import Cases
from orchestrator.rescue.evals import models_asked
from orchestrator.rescue.manifest import Manifest
from orchestrator.rescue.names import cases_path
from orchestrator.store import evaluations
from orchestrator.store.runs import Run


def keep_case_files(
    ledger: Ledger, manifest: Manifest, runs: Sequence[Run], cases: Iterable[Cases], file: Path | None
) -> dict[str, Path]:
    """The evaluation files of the runs' models, by run: `file`, or else each that of its job file in the folder,
    the last one that its records name, or that of an eval that asked it. Files from elsewhere are copied into the
    folder. A file that is not valid, or about none of a model's tools, is nobody's.

    Raises OutputUnwritable.
    """
    asked = _by_model(manifest, cases)
    checked: dict[Path, CaseFile | None] = {}
    found = {}
    for run in runs:
        path = file or _written(manifest, run) or file_of(ledger, run) or asked.get(run.fine_tuned_model or "")
        if path is None:
            continue
        if path not in checked:
            checked[path] = _valid(path)
        its = checked[path]
        if its is not None and misfit(run, its) is None:
            found[run.id] = _kept(manifest, its)
    return found


def _written(manifest: Manifest, run: Run) -> Path | None:
    """The one in the job file that an earlier rescue wrote, which the user may have changed."""
    kept = manifest.kept("job file", run.job_id or "")
    return _named_in(manifest.folder / kept.path) if kept is not None and kept.path else None


def _named_in(job_file: Path) -> Path | None:
    try:
        return load_job_to_evaluate(job_file).evaluation_path
    except FtorchError:
        return None


def _by_model(manifest: Manifest, cases: Iterable[Cases]) -> Mapping[str, Path]:
    """The files made of evals, by the models that were asked."""
    found = {}
    for each in cases:
        kept = manifest.kept("cases", each.eval.id)
        if kept is not None and kept.path is not None:
            found.update(dict.fromkeys(models_asked(each.eval), manifest.folder / kept.path))
    return found


def _valid(path: Path) -> CaseFile | None:
    try:
        return check_cases(path)
    except FtorchError:
        return None


def _kept(manifest: Manifest, cases: CaseFile) -> Path:
    """The file in the folder: the same bytes, so that answers to the one are answers to the other."""
    if cases.path.resolve().is_relative_to(manifest.folder.resolve()):
        return cases.path
    path = cases_path(cases.path.stem, cases.sha256)
    manifest.keep_bytes("cases", cases.sha256, path, cases.path.read_bytes(), name=cases.path.name)
    return manifest.folder / path


def file_of(ledger: Ledger, run: Run) -> Path | None:
    """The file of the last evaluation that asked the run's model, if it is unchanged; else that of its job file."""
    with ledger.database.read() as connection:
        last = evaluations.asking(connection, run.endpoint, run.fine_tuned_model or "", limit=1)
    for evaluation in last:
        if is_unchanged(Path(evaluation.file_path), evaluation.file_sha256):
            return Path(evaluation.file_path)
    return _named_in(Path(run.job_file)) if run.job_file else None


def rejection_tools_of(run: Run) -> Sequence[str]:
    """The tools whose call rejects a request, by the job file that the run was submitted from."""
    try:
        table = load_job_to_evaluate(Path(run.job_file)).evaluation if run.job_file else None
    except FtorchError:
        return ()
    return table.rejection_tools if table else ()


def misfit(run: Run, cases: CaseFile) -> str | None:
    """Why the cases say nothing about the model: none of their tools is one that it was trained with."""
    path = Path(run.training_path)
    if not cases.tools or not run.training_sha256 or not is_unchanged(path, run.training_sha256):
        return None
    trained = frozenset(definitions_of_file(path).functions)
    if not trained or trained & cases.tools:
        return None
    return (
        f"{cases.path} is about other tools ({_some(cases.tools)}) than its training file ({_some(trained)}): name "
        "another file with --evaluation FILE"
    )


def _some(names: frozenset[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(sorted(names)[:most])}{more}"
