"""Tags, notes and the archive: at any time, and no part of what a run is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.project import Project
from support.sweeping import write_sweep

from orchestrator.api import bookkeeping
from orchestrator.bookkeeping.labels import LONGEST_NOTE, LONGEST_VALUE
from orchestrator.errors import LabelUnusable
from orchestrator.ledger import open_ledger
from orchestrator.store import runs as store, sweeps
from orchestrator.store.database import Database
from orchestrator.store.labels import inherit, set_tags, tags_of
from orchestrator.store.runs import RUNS
from orchestrator.store.sweeps import RecordedSweep

JOB = "jobs/greet.toml"
KEY = f"sk-proj-{'k3Y' * 12}"


@pytest.fixture
def begun(project: Project) -> Project:
    """A project with one run, which has a job and has not finished."""
    assert project.ftorch("submit", JOB, "--detach").code == 0
    return project


@pytest.fixture
def ended(begun: Project) -> Project:
    assert begun.ftorch("resume").code == 0
    return begun


def shown(project: Project, key: str = "greet") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(project.ftorch("show", key, "--json").out)
    return found


def done(project: Project, *arguments: str, **environment: str) -> None:
    result = project.ftorch("runs", *arguments, **environment)
    assert result.code == 0, result.err


def test_tags_are_set_replaced_and_removed(begun: Project) -> None:
    done(begun, "tag", "greet", "team=flight", "stage=night", "note=a = b")
    assert shown(begun)["tags"] == {"note": "a = b", "stage": "night", "team": "flight"}
    done(begun, "tag", "greet", "stage=day", "--remove", "team", "--remove", "absent")
    assert shown(begun)["tags"] == {"note": "a = b", "stage": "day"}
    assert "note=a = b, stage=day" in begun.ftorch("show", "greet").out
    assert [run["tags"] for run in begun.status()] == [shown(begun)["tags"]]


def test_notes_are_appended_with_who_wrote_them(begun: Project) -> None:
    done(begun, "note", "greet", "The loss jumps.\nLook at step 3.", FTORCH_USER="ann")
    done(begun, "note", "greet", "Fixed.", FTORCH_USER="bob")
    found = [(note["number"], note["user"], note["text"]) for note in shown(begun)["notes"]]
    assert found == [(1, "ann", "The loss jumps.\nLook at step 3."), (2, "bob", "Fixed.")]
    text = begun.ftorch("show", "greet").out
    assert text.index("ann") < text.index("Look at step 3.") < text.index("bob") < text.index("Fixed.")


def test_labels_need_no_lease_and_change_no_version(database: Database, make_run: Any) -> None:
    run = make_run(state="running", job_id="ftjob-1")
    with database.write() as connection:
        store.add(connection, run, run.reason)
        RUNS.claim(connection, "another process", 1e12, 1.0, endpoint="local", states=["running"], ids=[run.id])
        before = store.get(connection, run.id)
        set_tags(connection, [run.id], {"team": "flight"})
        assert (store.get(connection, run.id), before.lease_owner) == (before, "another process")
        assert tags_of(connection, [run.id, "other"]) == {run.id: {"team": "flight"}}


def test_labels_are_no_part_of_what_makes_a_run_the_same(begun: Project) -> None:
    done(begun, "tag", "greet", "team=flight")
    again = begun.ftorch("submit", JOB, "--detach")
    assert "already submitted as run" in again.err
    assert shown(begun)["tags"] == {"team": "flight"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["tag", "greet", "a b=c"], '"a b" can\'t be the key of a tag. A key has 1 to 64 letters'),
        (["tag", "greet", f"{'k' * 65}=c"], "can't be the key of a tag"),
        (["tag", "greet", "team="], "the tag team has no value. To remove the tag: --remove team"),
        (["tag", "greet", f"team={'v' * (LONGEST_VALUE + 1)}"], "ftorch runs note keeps longer texts"),
        (["tag", "greet", "team=two\nlines"], "A value is one line"),
        (["tag", "greet", "ok=fine", "team=\x1b[2J"], "A value is one line"),
        (["tag", "greet"], "give one or more runs, and tags as KEY=VALUE or --remove KEY"),
        (["tag", "team=flight"], "give one or more runs"),
        (["tag", "greet", "nowhere", "team=flight"], 'There is no run "nowhere"'),
        (["note", "greet", "  "], "the note is empty"),
        (["note", "greet", "x" * (LONGEST_NOTE + 1)], "the note has 10,001 characters"),
        (["archive", "greet"], "has not finished"),
    ],
)
def test_a_mistake_changes_nothing(arguments: list[str], said: str, begun: Project) -> None:
    before = shown(begun)
    refused = begun.ftorch("runs", *arguments)
    assert (refused.code, refused.out, said in refused.err) == (2, "", True), refused.err
    assert "\x1b" not in refused.err
    assert shown(begun) == before


def test_no_key_in_a_label_is_kept(begun: Project) -> None:
    done(begun, "tag", "greet", f"key={KEY}")
    done(begun, "note", "greet", f"the key was {KEY}")
    assert KEY not in json.dumps(shown(begun))


def test_a_note_does_not_steer_a_terminal(begun: Project) -> None:
    done(begun, "note", "greet", "before\x1b]0;title\x07after\u202e")
    text = begun.terminal("show", "greet").out
    assert "before" in text
    assert not any(steering in text for steering in ("\x1b]0", "\x07", "\u202e"))


def test_a_submission_can_be_tagged(project: Project) -> None:
    refused = project.ftorch("submit", JOB, "--detach", "--tag", "team")
    assert (refused.code, '"team" is no tag. Write KEY=VALUE' in refused.err, project.status()) == (2, True, [])
    tags = ("--tag", "team=flight", "--tag", f"key={KEY}")
    assert project.ftorch("submit", JOB, "--detach", *tags).code == 0
    assert shown(project)["tags"] == {"key": "[key]", "team": "flight"}
    assert project.ftorch("submit", JOB, "--detach", "--tag", "team=rescue").code == 0
    assert shown(project)["tags"]["team"] == "rescue"


def test_a_trial_that_is_drawn_later_has_the_tags_of_all_others(database: Database, make_run: Any) -> None:
    with database.write() as connection:
        sweeps.add(connection, RecordedSweep("sweep1", "night", "local", "job.toml", {}, 3, None, 1.0))
        trials = [make_run(sweep_id="sweep1") for _ in range(3)]
        for run in trials[:2]:
            store.add(connection, run, run.reason)
        set_tags(connection, [run.id for run in trials[:2]], {"team": "flight", "half": "no"})
        set_tags(connection, [trials[0].id], {"half": "yes", "one": "yes"})
        store.add(connection, trials[2], "drawn")
        inherit(connection, trials[2].id, "sweep1")
        assert tags_of(connection, [trials[2].id]) == {trials[2].id: {"team": "flight"}}


# --- names ---------------------------------------------------------------------------------------------------


def test_the_name_of_a_sweep_means_all_of_its_runs(project: Project) -> None:
    write_sweep(project)
    assert project.ftorch("submit", JOB, "--tag", "stage=night").code == 0
    done(project, "tag", "greet", "team=flight")
    done(project, "note", "greet", "all")
    runs = [str(each["run"]) for each in project.status()]
    assert [(shown(project, run)["tags"], len(shown(project, run)["notes"])) for run in runs] == [
        ({"stage": "night", "team": "flight"}, 1)
    ] * 2
    done(project, "archive", "greet")
    assert all(shown(project, run)["archived_at"] for run in runs)
    assert (project.status(), json.loads(project.ftorch("sweep", "list", "--json").out)) == ([], [])
    assert "greet" not in project.ftorch("status").out
    assert all(run in project.ftorch("status", "greet").out for run in runs)
    write_sweep(project, space="[sweep.space]\nn_epochs = [1, 2, 3]")
    assert project.ftorch("submit", JOB, "--detach").code == 0
    assert [len(project.status()), "greet" in project.ftorch("status").out] == [1, True]
    done(project, "unarchive", "greet")
    assert not any(shown(project, run)["archived_at"] for run in runs)


def test_a_name_of_several_runs_means_the_newest_for_labels_and_none_for_the_archive(ended: Project) -> None:
    [first] = [str(each["run"]) for each in ended.status()]
    assert ended.ftorch("submit", JOB, "--again").code == 0
    [second] = {str(each["run"]) for each in ended.status()} - {first}
    done(ended, "tag", "greet", "team=flight")
    assert (shown(ended, first)["tags"], shown(ended, second)["tags"]) == ({}, {"team": "flight"})
    refused = ended.ftorch("runs", "archive", "greet")
    assert refused.code == 2
    assert f'"greet" is the name of 2 runs: {second} (succeeded), {first} (succeeded)' in refused.err
    done(ended, "archive", first)


# --- the archive ---------------------------------------------------------------------------------------------


def test_an_archived_run_is_kept_found_and_still_the_same(ended: Project) -> None:
    model = shown(ended)["fine_tuned_model"]
    done(ended, "archive", "greet")
    assert shown(ended)["archived_at"] is not None
    assert ended.status() == []
    assert ended.ftorch("models", "get", "greet").out.strip() == model
    again = ended.ftorch("submit", JOB)
    assert (again.out.strip(), "already submitted as run" in again.err) == (model, True)
    done(ended, "unarchive", "greet")
    assert shown(ended)["archived_at"] is None


def test_python_has_the_same_rules(ended: Project) -> None:
    with open_ledger(ended.root) as ledger:
        with pytest.raises(LabelUnusable):
            bookkeeping.tag(ledger, ["greet"], {"": "value"})
        found = bookkeeping.tag(ledger, ["greet", "greet"], {"team": "flight", "old": None})
        assert len(found.runs) == 1
        assert ledger.tags(found.run_ids) == {found.runs[0].id: {"team": "flight"}}
