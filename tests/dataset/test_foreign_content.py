"""Of a file that holds no training data nothing is shown: it may be a key, or a list of users."""

from __future__ import annotations

import json
import random

import pytest
from click.testing import CliRunner

from orchestrator.cli import main
from orchestrator.dataset.checking.checks import check_file

CANARY = "S3CRETVALUE"
FILES = {
    "passwd": f"root:x:0:0:{CANARY}:/root:/bin/bash\ndaemon:x:1:1:{CANARY}:/usr/sbin:/usr/sbin/nologin\n",
    ".env": f"KEY={CANARY}\nOTHER=1\n",
    "credentials.json": json.dumps(
        {
            "client_secret": CANARY,
            "tools": [{"name": CANARY}],
            "parallel_tool_calls": CANARY,
            "tool_choice": CANARY,
            "input": CANARY,
        }
    ),
    "pretty.json": json.dumps({"private_key": CANARY}, indent=2),
    "key.pem": f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----\n",
    "text.json": f'"{CANARY}"\n[1, "{CANARY}"]\n',
    "twice.json": f'{{"key": "{CANARY}", "key": "{CANARY}2"}}\n',
    "half.json": f'{{"key": "{CANARY}\\ud800"}}\n',
    "number.txt": f"{9:9<600}\n",
}
COMMANDS = [
    *(
        "data check {}",
        "data check --all --json {}",
        "data stats {}",
        "data split {} -o .",
        "data shorten {} --drop tools -o short",
    ),
    *("data convert {} -o out.jsonl", "data convert {} --prompt-column a -o out.jsonl", "data diff {} {}"),
    *("submit --dry-run job.toml", "data check job.toml", "evaluate job.toml"),
]


@pytest.mark.parametrize("name", FILES)
def test_no_command_quotes_a_file_that_holds_no_training_data(name, home):
    (home / name).write_text(FILES[name])
    (home / "job.toml").write_text(
        f'name = "a"\nmodel = "tiny"\n[data]\ntraining_file = "{name}"\n[evaluation]\nfile = "{name}"\n'
    )
    for command in COMMANDS:
        done = CliRunner().invoke(main, command.replace("{}", name).split(), catch_exceptions=False)
        shown = done.output
        assert done.exit_code, command
        for hidden in (CANARY, "99999", "Usage:", "Traceback"):
            assert hidden not in shown, f"{command}: {shown}"


def test_findings_of_such_a_file_still_say_what_was_found(tmp_path):
    path = tmp_path / "passwd"
    path.write_text(FILES["passwd"])
    report = check_file(path, method=None, purpose="training")
    assert report.counts == {"FT103": 2, "FT106": 1}
    first = report.findings[0]
    assert (first.line, first.excerpt) == (1, "")
    assert first.reason == "this is not valid JSON: expecting value at column 1"


@pytest.mark.parametrize("processes", [1, 2])
def test_one_line_of_training_data_is_enough_to_show_where_the_others_are_wrong(tmp_path, processes):
    path = tmp_path / "train.jsonl"
    line = json.dumps({"messages": [{"role": "user", "content": random.Random(1).randbytes(500).hex()}]})
    path.write_text("no JSON at all\n" + f"{line}\n" * 9000)
    report = check_file(path, method=None, purpose="training", count_tokens=False, processes=processes)
    assert report.findings[0].excerpt == "no JSON at all"
