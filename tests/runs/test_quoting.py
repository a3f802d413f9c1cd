"""The price that the endpoint itself gives: in the plan, and before the paid request."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import JSONResponse
from starlette.routing import Route
from support.project import Project, Result, make_project
from support.together_host import BASE, KEY, TogetherHost, together_host

_TOKENS = 5_572 // 4
"""Of the project's training file, as the simulated host counts."""


@pytest.fixture
def host(tmp_path: Path) -> Iterator[TogetherHost]:
    with together_host(tmp_path / "host") as found:
        yield found


@pytest.fixture
def project(tmp_path: Path, host: TogetherHost) -> Project:
    found = make_project(tmp_path / "project")
    (found.root / "ftorch.toml").write_text(host.table)
    write(found)
    return found


def write(project: Project, text: str = "", **replaced: str) -> None:
    lines = {"endpoint": 'endpoint = "together"', "model": f'model = "{BASE}"', **replaced}
    project.write_job(text, **lines)


def submit(project: Project, *options: str) -> Result:
    return project.ftorch("submit", "jobs/greet.toml", *options, TOGETHER_API_KEY=KEY)


def plan(project: Project) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(submit(project, "--dry-run", "--json").out)
    return found


def test_a_plan_shows_the_hosts_own_price_once_the_files_are_there(project: Project, host: TogetherHost) -> None:
    host.state.dollars_per_million = 1000
    assert plan(project)["estimated_cost_usd"] == pytest.approx(786 * 0.48 / 1e6)
    assert submit(project, "--yes").code == 0
    assert plan(project)["estimated_cost_usd"] == pytest.approx(_TOKENS * 1000 / 1e6)
    write(project, n_epochs="n_epochs = 3")
    assert plan(project)["estimated_cost_usd"] == pytest.approx(3 * _TOKENS * 1000 / 1e6)
    assert len(host.jobs) == 1


def test_a_plan_without_the_key_goes_by_the_table(project: Project, host: TogetherHost) -> None:
    assert submit(project, "--yes").code == 0
    host.state.dollars_per_million = 1000
    found = project.ftorch("submit", "jobs/greet.toml", "--dry-run", "--json", TOGETHER_API_KEY="")
    assert json.loads(found.out)["estimated_cost_usd"] == pytest.approx(786 * 0.48 / 1e6)


def test_a_host_that_is_away_leaves_the_plan_as_it_is(project: Project, host: TogetherHost) -> None:
    assert submit(project, "--yes").code == 0
    host.app.router.routes.clear()
    assert plan(project)["estimated_cost_usd"] == pytest.approx(786 * 0.48 / 1e6)


def test_a_price_above_the_cap_holds_the_job_back_though_the_estimate_was_below(
    project: Project, host: TogetherHost
) -> None:
    host.state.dollars_per_million = 1000
    write(project, "[limits]\nmax_cost_usd = 1.0\n")
    done = submit(project, "--yes")
    assert done.code == 4
    assert "this run would add $1.39, max_cost_usd is $1.00" in done.err
    assert (host.jobs, len(host.files)) == ([], 1)


def test_what_the_account_may_not_spend_waits_for_the_user(project: Project, host: TogetherHost) -> None:
    host.state.dollars_per_million, host.state.limit_dollars = 1000, 0.5
    done = submit(project, "--yes")
    assert done.code == 4
    assert "the job would cost $1.39, which exceeds this account's limit of $0.50 on together" in done.err
    assert host.jobs == []


def test_a_price_that_comes_later_is_waited_for(project: Project, host: TogetherHost) -> None:
    host.state.unvalidated = 4
    done = submit(project, "--yes")
    assert done.code == 0
    assert "is being processed" in done.err
    assert len(host.jobs) == 1


def test_a_file_that_the_host_finds_invalid_ends_the_run_before_anything_is_paid(
    project: Project, host: TogetherHost
) -> None:
    host.state.problem = "line 3 has no messages"
    done = submit(project, "--yes")
    assert done.code == 1
    assert "line 3 has no messages" in done.err
    assert host.jobs == []


def test_a_run_fails_with_the_reason_for_which_the_host_gives_no_price(
    project: Project, host: TogetherHost
) -> None:
    answer = {"estimation_available": False, "unavailable_reason": "train_file_invalid"}
    _price(host, answer, 200)
    done = submit(project, "--yes")
    assert done.code == 1
    assert "together can't train with a file of this run: train_file_invalid" in done.err
    assert host.jobs == []


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ({"error": {"message": "no such route", "type": "x"}}, 404),
        ({"estimation_available": False, "unavailable_reason": "multimodal_dataset"}, 200),
    ],
)
def test_a_host_without_a_price_trains_all_the_same(
    project: Project, host: TogetherHost, answer: dict[str, Any], status: int
) -> None:
    _price(host, answer, status)
    assert submit(project, "--yes").code == 0
    assert len(host.jobs) == 1


def _price(host: TogetherHost, answer: dict[str, Any], status: int) -> None:
    """Answer requests for a price so."""
    inner: Any = host.app.router.routes[0]
    route = Route("/fine-tunes/estimate-price", lambda _request: JSONResponse(answer, status), methods=["POST"])
    inner.app.routes.insert(0, route)
