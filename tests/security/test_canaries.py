"""Ten secrets in the environment, every command, and a host that echoes what it gets in every spelling: the one key
that was allowed for the host goes there, and none is found anywhere else."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from urllib.parse import quote

import click
import pytest
from support.project import Project

from orchestrator.cli import main

ALLOWED = "HOSTED_KEY"
CANARIES = {
    name: f"canary/{number}+of={name.lower()}"
    for number, name in enumerate(
        (
            *(ALLOWED, "OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "AZURE_OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY"),
            *("HF_TOKEN", "WANDB_API_KEY", "GITHUB_TOKEN", "DATABASE_PASSWORD", "MY_OWN_SECRET"),
        )
    )
}
SPELLED: tuple[Callable[[str], str], ...] = (
    str,
    lambda secret: secret.replace("/", "\\/"),
    lambda secret: "".join(f"\\u{ord(each):04x}" for each in secret),
    lambda secret: secret.replace("+", "\\u002B").replace("=", "\\u003D"),
    lambda secret: quote(secret, safe=""),
    lambda secret: base64.b64encode(secret.encode()).decode(),
)
OUTCOMES = (0, 1, 2, 4)
COMMANDS: dict[str, list[str]] = {
    "init": ["jobs/train.jsonl", "-o", "jobs/first.toml"],
    "submit": ["jobs/greet.toml", "--yes"],
    "status": ["--json"],
    "show": ["greet", "--json"],
    "logs": ["greet"],
    "report": ["greet"],
    "wait": ["greet"],
    "models list": ["--json"],
    "models get": ["greet"],
    "models promote": ["greet", "candidate"],
    "models lineage": ["greet"],
    "models export": ["greet", "-o", "exported"],
    "cost": [],
    "resume": [],
    "cancel": ["greet", "--yes"],
    "pause": ["greet"],
    "unpause": ["greet"],
    "runs list": [],
    "runs export csv": [],
    "runs export jsonl": ["greet"],
    "runs export parquet": ["-o", "runs.parquet"],
    "runs export mlflow": ["http://127.0.0.1:9"],
    "runs export trackio": ["drone"],
    "runs adopt": ["--all", "--endpoint", "hosted"],
    "runs tag": ["greet", "team=flight"],
    "runs note": ["greet", "well done"],
    "runs archive": ["greet"],
    "runs unarchive": ["greet"],
    "endpoints doctor": ["hosted"],
    "endpoints list": ["--json"],
    "endpoints check": ["hosted"],
    "endpoints trust": ["--yes"],
    "evaluate": ["greet", "--file", "jobs/train.jsonl", "--yes", "--junit", "report.xml"],
    "compare": ["greet", "other"],
    "leaderboard": [],
    "ask": ["greet", "Hello", "--yes"],
    "chat": ["greet", "--ask", "Hello"],
    "deployments create": ["greet", "--yes"],
    "deployments list": [],
    "deployments remove": ["greet"],
    "runs delete": ["greet", "--remote", "--yes"],
    "serve": ["--entra"],  # a mistake: tests/security/test_keys.py has the server itself
    "serve check": ["greet"],
    "migrate": ["jobs/greet.toml", "--to", "hosted:other", "--file", "jobs/train.jsonl", "--yes"],
    "rescue": ["hosted", "-o", "rescued", "--evaluation", "jobs/train.jsonl", "--yes"],
    "ui": ["--host", "0.0.0.0"],  # the same: tests/web has the page itself
    "sweep list": [],
    "sweep show": ["greet"],
    "sweep best": ["greet"],
    "sweep extend": ["greet"],
    "sweep stop": ["greet"],
    "where": [],
    "data generate": ["jobs/train.jsonl", "-o", "made.jsonl", "--endpoint", "hosted", "--model", "m", "--yes"],
    "data augment": ["jobs/train.jsonl", "-o", "more.jsonl", "--from-failures", "greet", "--offline"],
    "data review": ["jobs/train.jsonl", "--json"],
    "data check": ["jobs/train.jsonl"],
    "data preview": ["jobs/train.jsonl", "--model", "nowhere"],
    "data stats": ["jobs/train.jsonl"],
    "data explain": ["FT101"],
    "data convert": ["jobs/train.jsonl", "converted.jsonl"],
    "data diff": ["jobs/train.jsonl", "jobs/train.jsonl"],
    "data shorten": ["jobs/train.jsonl", "short.jsonl"],
    "data split": ["jobs/train.jsonl"],
    "data formats": [],
    "data tools": ["nowhere.py"],
}
"""Every command, in an order in which most have something to say."""


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Every command that a user can type."""
    if not isinstance(command, click.Group):
        yield " ".join(path)
        return
    if command.invoke_without_command and path:
        yield " ".join(path)
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        yield from commands(found, (*path, name))


def spellings(canary: str) -> list[str]:
    return [json.dumps(spell(canary))[1:-1] for spell in SPELLED] + [spell(canary) for spell in SPELLED]


def canaries_in(text: str) -> list[str]:
    return [name for name, canary in CANARIES.items() if any(each in text for each in spellings(canary))]


def test_every_command_is_tried() -> None:
    assert set(commands(main)) == set(COMMANDS)


@pytest.mark.parametrize("refusal", [None, 400, 500])
def test_no_secret_is_found_where_it_was_not_allowed_to_go(
    refusal: int | None, host, project: Project, written: Callable[[], dict[str, bytes]]
) -> None:
    host.text = "you sent " + " ".join("{key}" for _ in SPELLED)
    host.spell = lambda key: " ".join(spell(key) for spell in SPELLED)
    for command, arguments in COMMANDS.items():
        host.refusal = None if command == "submit" else refusal
        done = project.ftorch("--verbose", *command.split(), *arguments, OPENAI_LOG="debug", **CANARIES)
        assert done.code in OUTCOMES, (command, done)
        assert canaries_in(done.out + done.err) == [], command
    for path, content in written().items():
        assert canaries_in(content.decode("utf-8", "replace")) == [], path
    assert host.asked
    for asked, headers in host.asked:
        assert canaries_in(f"{asked} {json.dumps(headers)}") == [ALLOWED], asked
    assert canaries_in(" ".join(host.queries)) == []
