"""`data check` and `data explain` as a user types them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support.command import at_terminal

from orchestrator.cli import main
from orchestrator.dataset.rules import RULES

Check = Callable[..., Result]


def row(text: str, role: str = "assistant") -> str:
    answer = {"role": role, "content": f"I will {text}."}
    return json.dumps({"messages": [{"role": "user", "content": text}, answer]}) + "\n"


CLEAN = [
    row(f"fly to {place}")
    for place in ("Rome", "Oslo", "Bern", "Kyiv", "Riga", "Lund", "Gent", "Bari", "Nice", "Pau")
]
BAD = row("land", role="pilot")


@pytest.fixture
def check(home: Path) -> Check:
    """Runs `ftorch data check` with the arguments, in a folder with a file of each sort."""
    files = {"train": CLEAN * 12, "valid": [row("climb")], "bad-train": [*CLEAN, *[BAD] * 7], "notes": CLEAN * 12}
    for name, rows in files.items():
        (home / f"{name}.jsonl").write_text("".join(rows))

    def check(*arguments: str) -> Result:
        return CliRunner().invoke(main, ["data", "check", *arguments], catch_exceptions=False)

    return check


def lines(result: Result) -> list[str]:
    return [line for line in result.stdout.splitlines() if line]


# --- what is printed -----------------------------------------------------------------------------------------


def test_a_finding_has_path_line_code_reason_place_excerpt_and_fix(check: Check) -> None:
    first, place, *_ = lines(check("bad-train.jsonl"))
    assert first.startswith('bad-train.jsonl:11: FT204 error: the role is "pilot", but must be one of')
    assert place.startswith("    at /messages/1")
    assert "pilot" in place
    assert f"    fix: {RULES['FT204'].fix}" in check("bad-train.jsonl").stdout


def test_five_of_a_kind_are_shown_and_the_rest_counted(check: Check) -> None:
    shown = lines(check("bad-train.jsonl"))
    assert sum("FT204 error" in line for line in shown) == 5
    assert "    … and 2 more of FT204 (--all)" in shown
    everything = check("bad-train.jsonl", "--all").stdout
    assert everything.count("FT204 error") == 7
    assert "more of" not in everything


def test_errors_come_before_warnings_and_summaries_come_last(check: Check) -> None:
    shown = lines(check("bad-train.jsonl", "valid.jsonl"))
    found = [line.split()[1] for line in shown if re.search(r": FT\d+ (error|warning)", line)]
    assert found == sorted(found, key=lambda code: (RULES[code].severity, code))
    assert shown[-2].startswith("bad-train.jsonl: 7 errors, ")
    assert shown[-1] == "valid.jsonl: clean: 1 validation example, supervised, 14 tokens"


def test_a_clean_file_is_plainly_said_to_be_clean(check: Check) -> None:
    assert lines(check("valid.jsonl")) == ["valid.jsonl: clean: 1 validation example, supervised, 14 tokens"]


def test_a_purpose_that_is_only_assumed_is_said_to_be(check: Check) -> None:
    assert "(assumed)" in check("notes.jsonl").stdout
    assert "assumed: no --purpose was given" in check("notes.jsonl").stdout
    assert "assumed" not in check("notes.jsonl", "--purpose", "evaluation").stdout
    assert "120 evaluation examples" in check("notes.jsonl", "--purpose", "evaluation").stdout


def test_files_given_together_are_compared(check: Check, home: Path) -> None:
    (home / "test.jsonl").write_text(CLEAN[3])
    assert "FT802" in check("train.jsonl", "test.jsonl").stdout
    assert "FT802" not in check("test.jsonl").stdout


# --- exit codes ----------------------------------------------------------------------------------------------


def test_the_exit_code_tells_errors_from_warnings(check: Check) -> None:
    assert check("valid.jsonl").exit_code == 0
    assert check("train.jsonl").exit_code == 0, "it has warnings only: the same ten prompts, twelve times"
    assert "warning" in check("train.jsonl").stdout
    assert check("train.jsonl", "--strict").exit_code == 1
    assert check("valid.jsonl", "--strict").exit_code == 0
    assert check("bad-train.jsonl").exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing argument"),
        (["trian.jsonl"], "Did you mean train.jsonl?"),
        (["train.jsonl", "--for", "azrue"], "Did you mean azure?"),
        (["train.jsonl", "--purpose", "testing"], "'testing' is not one of"),
        (["small.toml"], "no job file small.toml"),
    ],
)
def test_a_wrong_command_is_told_and_leaves_with_2(arguments: list[str], message: str, check: Check) -> None:
    done = check(*arguments)
    assert done.exit_code == 2
    assert message in done.stderr
    assert done.stdout == ""


# --- job files and endpoints ----------------------------------------------------------------------------------


def test_a_job_file_stands_for_its_data_files(check: Check, home: Path) -> None:
    job = 'name = "small"\nmodel = "gpt-4.1-mini"\n[data]\ntraining_file = "notes.jsonl"\nvalidation_file = "{}"\n'
    (home / "small.toml").write_text(job.format("valid.jsonl"))
    done = check("small.toml")
    assert done.exit_code == 0
    assert "120 training examples, supervised" in done.stdout
    assert "assumed" not in done.stdout
    (home / "small.toml").write_text(job.format("bad-train.jsonl"))
    assert check("small.toml").exit_code == 1


def test_for_says_what_that_endpoint_refuses(check: Check, home: Path) -> None:
    prompts = (
        json.dumps({"messages": [{"role": "user", "content": f"{n} + 1?"}], "answer": n + 1}) for n in range(10)
    )
    (home / "train-maths.jsonl").write_text("\n".join(prompts))
    assert check("train-maths.jsonl").exit_code == 0
    assert check("train-maths.jsonl", "--for", "openai").exit_code == 0
    done = check("train-maths.jsonl", "--for", "local")
    assert done.exit_code == 1
    assert "FT701 error: local endpoints do not train with the method reinforcement" in done.stdout


def test_a_model_judges_the_length_of_examples(check: Check, home: Path) -> None:
    (home / "train-long.jsonl").write_text(row("fly " * 20_000) + "".join(CLEAN))
    assert check("train-long.jsonl").exit_code == 0
    done = check("train-long.jsonl", "--model", "gpt-3.5-turbo-0125")
    assert done.exit_code == 1
    assert "train-long.jsonl:1: FT501 error" in done.stdout


# --- for programs --------------------------------------------------------------------------------------------


def test_json_holds_every_finding_under_documented_keys(check: Check) -> None:
    done = check("bad-train.jsonl", "valid.jsonl", "--json")
    assert done.exit_code == 1
    found: dict[str, Any] = json.loads(done.stdout)
    assert list(found) == ["ok", "errors", "warnings", "files", "findings"]
    assert (found["ok"], found["errors"]) == (False, 7)
    bad, clean = found["files"]
    keys = "file purpose method model examples tokens tokenizer errors warnings counts"
    assert list(bad) == keys.split()
    assert (bad["counts"]["FT204"], bad["tokens"]) == (7, None)
    assert (clean["counts"], clean["tokens"]) == ({}, 14)
    role = [finding for finding in found["findings"] if finding["code"] == "FT204"]
    assert [finding["line"] for finding in role] == list(range(11, 18))
    assert list(role[0]) == ["file", "line", "code", "severity", "title", "pointer", "excerpt", "reason", "fix"]
    assert role[0]["pointer"].startswith("/messages/1")
    documented = (Path(__file__).parents[3] / "docs" / "data.md").read_text()
    for key in (*found, *bad, *role[0]):
        assert f"`{key}`" in documented


def test_json_keeps_more_findings_than_the_screen(check: Check, home: Path) -> None:
    (home / "train.jsonl").write_text(BAD * 1500)
    assert len(json.loads(check("train.jsonl", "--json").stdout)["findings"]) >= 1500


# --- terminals -------------------------------------------------------------------------------------------------


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """What a terminal of that width gets from `ftorch data check`."""

    def shown(width: int, *arguments: str, **environment: str) -> str:
        for name, value in {"TERM": "xterm", "COLUMNS": str(width), **environment}.items():
            monkeypatch.setenv(name, value)
        return at_terminal("data", "check", *arguments)[1]

    return shown


@pytest.mark.usefixtures("check")
@pytest.mark.parametrize("width", [80, 200])
def test_lines_fit_the_terminal(width: int, shown: Callable[..., str]) -> None:
    said = shown(width, "bad-train.jsonl")
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", said)
    widths = [len(line) for line in plain.splitlines()]
    assert 60 < max(widths) <= width
    assert "\x1b[31m" in said


@pytest.mark.usefixtures("check")
def test_no_color_is_obeyed(shown: Callable[..., str]) -> None:
    assert "\x1b[31m" not in shown(80, "bad-train.jsonl", NO_COLOR="1")


def test_no_terminal_escape_of_a_file_reaches_the_terminal(check: Check, home: Path) -> None:
    messages = [{"role": "\x1b[2Jpilot", "content": "\u202eup\x9b"}]
    wild = json.dumps({"messages": messages, "\x1b]0;owned\x07\u202e": "<|im_end|>"})
    (home / "wild\x1b[1m.jsonl").write_text(wild + "\n\x1b[31mred\x9b\n" + "".join(CLEAN))
    done = check(*(path.name for path in home.glob("wild*")))
    assert done.exit_code == 1
    assert {"FT204", "FT213"} <= set(re.findall(r"FT\d+", done.stdout))
    assert not set("\x1b\x07\x9b\u202e") & set(done.stdout + done.stderr)


def test_it_needs_no_project_no_database_and_no_sdk(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text("".join(CLEAN))
    program = (
        "import sys; from orchestrator.cli import main\n"
        "try: main(['data', 'check', 'train.jsonl'])\n"
        "except SystemExit as end: assert not end.code\n"
        "print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert not set(done.stderr.split()) & {"sqlalchemy", "alembic", "openai", "starlette", "pydantic", "optuna"}
    assert [path.name for path in tmp_path.iterdir()] == ["train.jsonl"]


# --- explain -----------------------------------------------------------------------------------------------------


def explain(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["data", "explain", *arguments], catch_exceptions=False)


def test_explain_shows_reason_fix_and_both_examples() -> None:
    kind, shown = RULES["FT318"], explain("ft318").stdout
    for part in ("FT318", kind.title, "the function", kind.fix, kind.wrong.strip(), kind.right.strip()):
        assert part in shown
    assert "{" not in shown.split("wrong")[0]


@pytest.mark.parametrize("code", sorted(RULES))
def test_every_kind_can_be_explained(code: str) -> None:
    found = json.loads(explain(code, "--json").stdout)
    assert found["code"] == code
    assert found["reason"]
    assert found["fix"]


def test_explain_lists_all_codes() -> None:
    listed = [line.split()[0] for line in explain().stdout.splitlines()[1:]]
    assert listed == sorted(RULES)


def test_the_start_of_a_code_lists_those_that_begin_so() -> None:
    listed = [line.split()[0] for line in explain("ft4").stdout.splitlines()[1:]]
    assert listed == [code for code in sorted(RULES) if code.startswith("FT4")]


def test_an_unknown_code_is_told_with_the_nearest_one() -> None:
    done = explain("FT2O4")
    assert done.exit_code == 2
    assert re.search(r"Did you mean FT\d+\?", done.stderr)
    assert "ftorch data explain lists them all" in explain("zzz").stderr


def test_half_of_a_file_in_training_is_an_error_unless_it_is_allowed(check: Check, home: Path) -> None:
    (home / "test.jsonl").write_text(CLEAN[0] + row("climb"))
    refused = check("train.jsonl", "test.jsonl")
    assert refused.exit_code == 1
    assert "FT802 error" in refused.stdout
    allowed = check("train.jsonl", "test.jsonl", "--allow-leak")
    assert "FT802" not in allowed.stdout
    assert "FT606" in allowed.stdout


def test_a_misspelt_model_is_noted(check: Check) -> None:
    assert 'did you mean "gpt-4.1-mini"' in check("valid.jsonl", "--model", "gpt-4.1-mimi").stderr
    assert check("valid.jsonl", "--model", "gpt-4.1-mini").stderr == ""
