"""A generation whose process is killed at each place of the protocol: nothing is asked twice, nothing is lost."""

from __future__ import annotations

import json
import signal

import pytest
from support.project import Project
from support.teacher import Teacher, school

from orchestrator.engine.crashpoints import GENERATION_POINTS

COMMAND = (
    "data",
    "generate",
    "tools.json",
    "-o",
    "train.jsonl",
    "--endpoint",
    "school",
    "--model",
    "tutor",
    "--yes",
)


PLACES = [place for place in GENERATION_POINTS if not place.endswith(("failed", "cancelled"))]
LATER = [place for place in PLACES if place.endswith(("request", "intents", "answers"))]


@pytest.mark.parametrize(("place", "times"), [*((place, 1) for place in PLACES), *((place, 3) for place in LATER)])
def test_a_killed_generation_asks_nothing_twice_and_loses_nothing(
    project: Project, undisturbed: Project, teacher: Teacher, place: str, times: int
) -> None:
    died = project.process(*COMMAND, FTORCH_CRASH_AT=f"{place}:{times}").code
    assert died == -signal.SIGKILL
    finished = project.process(*COMMAND)
    assert finished.code == 0, finished.err
    assert set(teacher.paid.values()) == {1}  # every answer was worked out once
    assert written(project) == written(undisturbed)


def written(project: Project) -> tuple[str, list[object]]:
    """The training file, and where its lines come from; requests that may have been sent twice count twice."""
    head, *lines = (json.loads(line) for line in (project.root / "train.provenance.jsonl").read_text().splitlines())
    assert head["without_words"] == 0
    return (project.root / "train.jsonl").read_text(), [{**head, "generation": "", "cost_usd": 0.0}, *lines]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The same generation, with nobody killed."""
    with Teacher().running() as teacher:
        project = school(tmp_path_factory.mktemp("undisturbed"), teacher)
        done = project.process(*COMMAND)
        assert done.code == 0, done.err
        return project
