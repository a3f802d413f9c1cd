"""From OpenAI, rehearsed by `ftorch serve`, to simulated hosts and this machine, with one command."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support import fireworks_host as fireworks, together_host as together
from support.fireworks_host import FireworksHost
from support.project import FTORCH, Project, make_project
from support.together_host import TogetherHost

ROOMS = (
    *("garden", "garage", "kitchen", "stairs", "loft", "barn", "shed", "study", "parlour", "pantry"),
    *("closet", "lobby", "gallery", "library", "nursery", "office", "workshop", "stable", "terrace", "den"),
)
KEYS = {
    "OPENAI_API_KEY": "sk-openai-0123456789",
    "FIREWORKS_API_KEY": fireworks.KEY,
    "TOGETHER_API_KEY": together.KEY,
}
TO = ("--to", f"fireworks:{fireworks.BASE}", "--to", f"together:{together.BASE}", "--to", "local")
COMMAND = ("migrate", "jobs/greet.toml", *TO, "--margin", "60", "--yes", "--json", "-o", "successors.html")


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[tuple[FireworksHost, TogetherHost]]:
    with fireworks.fireworks_host(tmp_path / "one") as one, together.together_host(tmp_path / "two") as two:
        yield one, two


@pytest.fixture
def project(tmp_path: Path, hosts: tuple[FireworksHost, TogetherHost]) -> Iterator[Project]:
    """A project whose tuned model on `openai` has answered the cases."""
    made = make_project(tmp_path / "project")
    project = replace(made, environment={**made.environment, **KEYS})
    write_cases(project)
    project.write_job('[evaluation]\nfile = "cases.jsonl"\n', endpoint='endpoint = "openai"')
    (project.root / "ftorch.toml").write_text("".join(host.table for host in hosts))
    command = [FTORCH, "serve", "--port", "0", "--store", "served"]
    with subprocess.Popen(
        command, cwd=project.root, env=dict(project.environment), stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stderr is not None
        address = server.stderr.readline().split(" on ")[1].strip()
        settings = project.root / "home" / ".config" / "ftorch" / "ftorch.toml"
        settings.parent.mkdir(parents=True)
        settings.write_text(f'[endpoints.openai]\nbase_url = "{address}"\npoll_seconds = 0.1\n')
        for arguments in (("submit",), ("evaluate", "--models", "tuned")):
            done = project.ftorch(arguments[0], "jobs/greet.toml", *arguments[1:], "--yes")
            assert done.code == 0, done.err
        yield project
        server.send_signal(signal.SIGINT)


def write_cases(project: Project) -> None:
    row = json.loads((project.root / "jobs" / "train.jsonl").read_text().splitlines()[0])
    with (project.root / "jobs" / "cases.jsonl").open("w") as stream:
        for room in ROOMS:
            row["messages"][0]["content"] = f"Switch on the light in the {room}"
            row["messages"][1]["tool_calls"][0]["function"]["arguments"] = json.dumps({"room": room})
            stream.write(json.dumps({"id": room, **row}) + "\n")


def test_one_command_trains_evaluates_and_compares_on_each_host_once(
    project: Project, hosts: tuple[FireworksHost, TogetherHost]
) -> None:
    done = project.ftorch(*COMMAND)
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert [each["verdict"] for each in found["successors"]] == ["non-inferior", "waits", "non-inferior"]
    model = found["successors"][1]["model"]
    line = f'dedicated = {{ "{model}" = "NAME" }}'
    assert line in found["successors"][1]["reason"]
    with (project.root / "ftorch.toml").open("a") as tables:  # that of together is the last one
        tables.write(line.replace("NAME", "drone-team/greet"))
    hosts[1].state.served["drone-team/greet"] = model
    done = project.ftorch(*COMMAND)
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["baseline"]["endpoint"] == "openai"
    assert found["baseline"]["ends"] == "2027-01-14"
    assert [each["verdict"] for each in found["successors"]] == ["non-inferior"] * 3
    assert found["successors"][0]["hosting_usd_per_day"] == 24 * 8.00, "one H200, by the price table"
    assert min(each["judgement"]["successor"]["share"] for each in found["successors"]) > 0.5
    assert "and hosting while they are asked" in done.err
    assert [len(host.jobs) for host in hosts] == [1, 1]
    assert hosts[0].state.deployments == {}, "what was deployed for the evaluation is removed"
    page = (project.root / "successors.html").read_text()
    assert "ends in" in page
    for name in ("fireworks", "together", "local"):
        assert f">{name}<" in page
    again = json.loads(project.ftorch(*COMMAND).out)
    assert [each["run"] for each in again["successors"]] == [each["run"] for each in found["successors"]]
    assert [len(host.jobs) for host in hosts] == [1, 1]


def test_a_host_that_can_t_train_the_method_is_left_out_with_the_reason(project: Project) -> None:
    rows = [json.loads(line) for line in (project.root / "jobs" / "train.jsonl").read_text().splitlines()]
    pairs = [
        {
            "input": {"messages": row["messages"][:1], "tools": row["tools"]},
            "preferred_output": row["messages"][1:],
            "non_preferred_output": [{"role": "assistant", "content": f"no, not {number}"}],
        }
        for number, row in enumerate(rows)
    ]
    (project.root / "jobs" / "pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    table = (project.root / "ftorch.toml").read_text()
    (project.root / "ftorch.toml").write_text(f'{table}[endpoints.nebius]\ntype = "nebius"\n')
    settings = ("--set", "data.training_file=pairs.jsonl", "--set", "method.type=dpo")
    command = (
        "migrate",
        "jobs/greet.toml",
        "--to",
        "nebius:meta-llama/Llama-3.1-8B-Instruct",
        "--to",
        "local:other",
    )
    done = project.ftorch(*command, *settings, "--dry-run", "--json")
    assert done.code == 0, done.err
    refused, possible = json.loads(done.out)["successors"]
    assert "dpo" in refused["problem"].lower()
    assert possible["problem"] is None
