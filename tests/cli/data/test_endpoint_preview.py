"""`data preview --endpoint`: whether an endpoint learns from a row what ftorch thinks that it learns."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.modelfolders import model_folder
from support.project import Project, Result, make_project
from support.together_host import BASE, KEY, TogetherHost, together_host, tokenized

from orchestrator.dataset.rendering.renderer import open_renderer


@pytest.fixture
def host(tmp_path: Path) -> Iterator[TogetherHost]:
    with together_host(tmp_path / "host") as found:
        yield found


@pytest.fixture
def project(tmp_path: Path, host: TogetherHost) -> Project:
    found = make_project(tmp_path / "project")
    model_folder(found.root / "small", max_position_embeddings=4096)
    (found.root / "ftorch.toml").write_text(host.table)
    found.write_job(endpoint='endpoint = "together"', model=f'model = "{BASE}"')
    return found


def renders(host: TogetherHost, project: Project, *, ending: bool = True, leading: bool = False) -> None:
    """The host renders as ftorch does, but for the last learned token, or one token more at the start."""
    renderer = open_renderer(project.root / "small")

    def tokenize(row: dict[str, Any]) -> dict[str, Any]:
        found = renderer.supervised(row)
        learned = list(found.learned)
        if not ending:
            learned[max(place for place, learns in enumerate(learned) if learns)] = False
        tokens = [
            (number, renderer.decode([number]), learns) for number, learns in zip(found.ids, learned, strict=True)
        ]
        return tokenized([*tokens[: int(leading)], *tokens])

    host.state.tokenize = tokenize


def preview(project: Project, *options: str, source: str = "jobs/greet.toml") -> Result:
    return project.ftorch(
        "data", "preview", source, "--endpoint", "together", "--model", "./small", *options, TOGETHER_API_KEY=KEY
    )


def test_rows_that_are_learned_alike_are_told_and_the_file_is_uploaded_once(
    project: Project, host: TogetherHost
) -> None:
    renders(host, project)
    done = preview(project, "--yes")
    assert (done.code, done.err) == (0, "")
    assert done.out.count("the same") == 5 + 1
    assert "Of each of the first 5 rows, the same text is learned on together" in done.out
    assert preview(project, "--rows", "2").code == 0
    assert len(host.files) == 1
    submitted = project.ftorch("submit", "jobs/greet.toml", "--yes", TOGETHER_API_KEY=KEY)
    assert (submitted.code, len(host.files), len(host.jobs)) == (0, 1, 1)


def test_another_mask_is_shown_with_the_text_around_it(project: Project, host: TogetherHost) -> None:
    renders(host, project, ending=False)
    done = preview(project, "--yes", "--rows", "1")
    assert done.code == 1
    assert "jobs/train.jsonl:1: the text that is learned" in done.out
    here, there = (
        line.strip() for line in done.out.splitlines() if line.startswith("  here") or "there  …" in line
    )
    assert here.endswith("</tool_call><|im_end|>")
    assert there.endswith("</tool_call>")
    assert "Of the first 1 rows, 1 would be learned differently on together" in done.out


def test_another_context_alone_is_told_and_is_no_failure(project: Project, host: TogetherHost) -> None:
    renders(host, project, leading=True)
    done = preview(project, "--yes", "--rows", "1")
    assert done.code == 0
    assert "another context" in done.out
    assert "jobs/train.jsonl:1: the text that is read" in done.out


def test_json_has_every_token_and_whether_it_is_learned(project: Project, host: TogetherHost) -> None:
    renders(host, project)
    found = json.loads(preview(project, "--yes", "--rows", "1", "--json").out)
    [row] = found["rows"]
    assert row["here"] == row["there"]
    assert len(row["here"]["ids"]) == len(row["here"]["learned"])
    assert (found["model"], found["is_learned_alike"], row["is_same"]) == (BASE, True, True)


def test_nothing_is_uploaded_without_a_yes(project: Project, host: TogetherHost) -> None:
    done = preview(project)
    assert done.code == 4
    assert "jobs/train.jsonl (5,572 bytes) is not on together yet" in done.err
    assert host.files == []


@pytest.mark.parametrize(
    ("endpoint", "method", "said"),
    [
        ("local", "", "The endpoint local can't preview this: it does not show how it turns rows into tokens"),
        ("together", 'type = "dpo"', "it previews supervised data only, and this job's method is dpo"),
    ],
)
def test_what_cant_be_previewed_is_said(
    project: Project, host: TogetherHost, endpoint: str, method: str, said: str
) -> None:
    project.write_job(endpoint='endpoint = "together"', model=f'model = "{BASE}"', method=f"[method]\n{method}")
    done = project.ftorch("data", "preview", "jobs/greet.toml", "--endpoint", endpoint, TOGETHER_API_KEY=KEY)
    assert (done.code, said in done.err) == (2, True)


def test_a_file_alone_names_no_base_model(project: Project) -> None:
    done = preview(project, source="jobs/train.jsonl")
    assert (done.code, "needs a job file" in done.err) == (2, True)
