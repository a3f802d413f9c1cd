"""Exporting runs: to experiment trackers, at once or live, and to files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from orchestrator.addresses import is_address, is_safe_way
from orchestrator.api.host import Host
from orchestrator.bookkeeping import subjects
from orchestrator.errors import TrackerAddressUnusable, TrackerRefuses, TrackerUnnamed
from orchestrator.export.destination import Destination, Result
from orchestrator.export.files import Form, write_file, writer_of
from orchestrator.export.records import exported
from orchestrator.export.rows import STEP_COLUMNS, Row, run_rows, step_rows
from orchestrator.export.tracker import Tracker
from orchestrator.export.turn import ExportTurn
from orchestrator.ledger import EVERY_RUN, Ledger
from orchestrator.store import exports as store, listing as listings
from orchestrator.store.listing import Listing
from orchestrator.tracktables import EXPERIMENT, MlflowTracker, TrackioTracker


@dataclass(frozen=True)
class ExportOutcome:
    """What sending runs to a tracker did."""

    destination: str
    counts: Mapping[Result, int]
    skipped: int
    """Runs of which the tracker had everything, by the records."""
    failed: Sequence[str]
    """The ids of the runs that it refused."""


def selected(ledger: Ledger, keys: Sequence[str], listing: Listing = EVERY_RUN) -> list[str]:
    """The ids of the named runs and of those of the named sweeps; without names, of the listed runs. Oldest first,
    unless the listing has another order. Raises NoSuchRun, AmbiguousRun and RunDeleted."""
    if listing.sort == EVERY_RUN.sort:
        listing = replace(listing, is_reversed=not listing.is_reversed)
    with ledger.database.read() as connection:
        if not keys:
            return listings.ids(connection, listing)
        found = subjects.newest_of(connection, keys).runs
    return [run.id for run in sorted(found, key=lambda run: (run.created_at, run.id))]


# --- Trackers ----------------------------------------------------------------------------------------------------


def mlflow(
    ledger: Ledger, uri: str | None = None, experiment: str | None = None, *, allow_http: bool = False
) -> Destination:
    """An experiment of an MLflow server: by default that of `[track.mlflow]`. Raises TrackerUnnamed and
    TrackerAddressUnusable."""
    from orchestrator.export.mlflow.exporting import MlflowExport

    set_up = ledger.workspace.tracking.mlflow
    if uri is None and set_up is None:
        raise TrackerUnnamed
    if set_up is None or (uri is not None and uri.rstrip("/") != set_up.uri.rstrip("/")):
        set_up = MlflowTracker(uri or "", EXPERIMENT, allow_http)
    if problem := _problem_of(set_up, allow_http):
        raise TrackerAddressUnusable(address=set_up.uri.partition("@")[2] or set_up.uri, problem=problem)
    return MlflowExport(ledger, set_up.uri, experiment or set_up.experiment)


def _problem_of(tracker: MlflowTracker, allow_http: bool) -> str | None:
    if not is_address(tracker.uri):
        return (
            "give the http(s) address of a tracking server without a password, such as http://127.0.0.1:5000; to "
            "start one: mlflow server"
        )
    if not (allow_http or tracker.allow_http or is_safe_way(tracker.uri)):
        return "the runs would travel unencrypted; give an https:// address, or add --allow-http"
    return None


def trackio(ledger: Ledger, project: str) -> Destination:
    """A project of Trackio on this machine. Raises TrackioMissing and TrackerRefuses."""
    from orchestrator.export.trackio import TrackioExport

    return TrackioExport(ledger, project)


def export(
    ledger: Ledger, destination: Destination, run_ids: Sequence[str], host: Host, *, again: bool = False
) -> ExportOutcome:
    """Send these runs to a tracker, their sweeps as parents; those that it has already are skipped, unless
    `again`. A run that it refuses doesn't stop the others. Raises TrackerUnreachable and ExperimentDeleted: what
    was sent stays, and the same command sends the rest."""
    with ledger.database.read() as connection:
        marks = {} if again else store.marks(connection, destination.name)
    counts: Counter[Result] = Counter()
    failed: list[str] = []
    skipped = 0
    turn = ExportTurn(ledger, destination.name)
    turn.wait(host.say)
    try:
        for run in exported(ledger, run_ids):
            if marks.get((store.RUN, run.run.id)) == run.mark:
                skipped += 1
                continue
            turn.wait(host.say)
            try:
                counts[destination.send(run)] += 1
            except TrackerRefuses as error:
                failed.append(run.run.id)
                host.show_error(error)
                host.failed(error.exit_code)
    finally:
        turn.give_back()
        destination.close()
    return ExportOutcome(destination.shown, counts, skipped, failed)


def trackers(ledger: Ledger, host: Host) -> list[Tracker]:
    """The live trackers of `[track]`, each to be looked after in its own thread."""
    from orchestrator.export.mlflow.exporting import destination_name
    from orchestrator.export.trackio import destination_name as trackio_name

    tracking = ledger.workspace.tracking
    if tracking.to_allow:
        named = ", ".join(f"{key} = {value}" for key, value in tracking.to_allow.items())
        host.say(
            f"[track] of {ledger.workspace.project_file} is not in use: it names {named}; check that file, then "
            "allow it with: ftorch endpoints trust"
        )
    found = []
    if tracking.mlflow is not None:
        name = destination_name(tracking.mlflow.uri, tracking.mlflow.experiment)
        found.append(Tracker(ledger, name, lambda: mlflow(ledger), host.say))
    if tracking.trackio is not None:
        found.append(_trackio_tracker(ledger, tracking.trackio, trackio_name(tracking.trackio.project), host))
    return found


def _trackio_tracker(ledger: Ledger, tracker: TrackioTracker, name: str, host: Host) -> Tracker:
    return Tracker(ledger, name, lambda: trackio(ledger, tracker.project), host.say)


# --- Files -------------------------------------------------------------------------------------------------------


def write(
    ledger: Ledger,
    run_ids: Sequence[str],
    form: Form,
    target: Path | BinaryIO,
    *,
    has_steps: bool = False,
    force: bool = False,
) -> int:
    """Write a row for each run, or with `has_steps` for each measured step, into a new file or a stream; returns
    how many. Raises what `write_file` raises."""
    writer_of(form)
    rows: Iterable[Row] = step_rows(ledger, run_ids) if has_steps else run_rows(ledger, run_ids)
    columns = STEP_COLUMNS if has_steps else ()
    if isinstance(target, Path):
        return write_file(rows, form, target, columns=columns, force=force)
    return writer_of(form)(rows, target, columns)
