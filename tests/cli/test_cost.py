"""`ftorch cost` as it is typed."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.command import ftorch
from support.spending import ENDPOINTS, ON_AZURE, TUNED, Books

from orchestrator.ledger import open_ledger
from orchestrator.store.runs import Run


@pytest.fixture
def books(home: Path, make_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> Iterator[Books]:
    monkeypatch.setenv("COLUMNS", "80")
    (home / "ftorch.toml").write_text(ENDPOINTS)
    with open_ledger(home, create=True) as ledger:
        yield Books(ledger, make_run)


def printed(*arguments: str) -> list[str]:
    done = ftorch("cost", *arguments)
    assert done.exit_code == 0, done.stderr
    return done.stdout.splitlines()


def test_estimates_and_unknown_amounts_are_marked_and_explained(books: Books) -> None:
    books.run()
    books.run(cost_usd=None, estimated_cost_usd=12.3)
    books.run(endpoint="together", model="qwen-3-32b", cost_usd=None, estimated_cost_usd=None, max_cost_usd=None)
    books.answers("qwen-3-32b", 40, endpoint="together")
    lines = printed("--by", "endpoint")
    assert [line.split() for line in lines[1:5]] == [
        ["ENDPOINT", "TRAINING", "EVALUATION", "TOTAL"],
        ["openai", "~$15.30", "–", "~$15.30"],
        ["together", "unknown", "unknown", "unknown"],
        ["total", "≥~$15.30", "unknown", "≥~$15.30"],
    ]
    assert lines[5:9] == [
        "~ includes estimates: 1 run ($12.30).",
        "≥ leaves out what has no known cost:",
        "  training of qwen-3-32b on together: 1 run, no price",
        "  calls to qwen-3-32b on together: 40 answers, no price",
    ]


def test_caps_show_what_is_used_and_left(books: Books) -> None:
    now = time.time()
    books.run(created_at=now, name="drone", max_cost_usd=2.0)
    books.run(created_at=now, name="qwen", endpoint="together", cost_usd=None, estimated_cost_usd=None)
    lines = printed()
    caps = lines[lines.index("Caps on training") + 1 :]
    assert [line.rsplit(maxsplit=3) for line in caps] == [
        ["CAP ON", "USED", "CAP", "LEFT"],
        ["openai, this month", "$3.00", "$200.00", "$197.00"],
        ["drone on openai", "$3.00", "$2.00", "$0.00"],
        ["qwen on together", "unknown", "$20.00", "unknown"],
    ]


@pytest.mark.parametrize("by", ["month", "endpoint", "model", "tag", "tag:team", "user", "run", "kind"])
def test_a_terminal_of_eighty_columns_is_wide_enough_and_no_id_is_cut(books: Books, by: str) -> None:
    run = books.run(TUNED, name="a-name-that-is-as-long-as-a-name-may-be-and-then-some-more", cost_usd=123_456.0)
    books.answers(TUNED, 3, tokens=(10**11, 10**11))
    books.run(ON_AZURE, endpoint="azure", cost_usd=None, estimated_cost_usd=None)
    books.deployment(None)
    books.generation((0.02, None))
    lines = printed("--by", by)
    assert max(map(len, lines)) <= 80
    assert not any("…" in line for line in lines)
    if by == "run":
        assert any(line.endswith(run.name) for line in lines)
    if by == "model":
        assert any("gpt-4.1-mini-2025-04-14" in line.split() for line in lines)


def test_one_screen_is_shown_unless_all_are_asked_for(books: Books) -> None:
    for number in range(25):
        books.run(cost_usd=float(number), name=f"run-{number}", max_cost_usd=100.0)
    few, every = printed("--by", "run"), printed("--by", "run", "--all")
    assert any(line.startswith("5 others") and line.split()[-1] == "$10.00" for line in few)
    assert any("5 more job files with less of the cap used: --all" in line for line in few)
    assert not any("others" in line for line in every)
    assert sum("run-3" in line.split() for line in every) == 2  # its cost and its cap
    assert len(json.loads(ftorch("cost", "--by", "run", "--json").stdout)["groups"]) == 25


def test_programs_get_numbers_and_null_for_unknown(books: Books) -> None:
    run = books.run(TUNED, cost_usd=None, estimated_cost_usd=1.25)
    books.answers("qwen-3-32b", endpoint="together")
    found = json.loads(ftorch("cost", "--by", "run", "--json").stdout)
    assert (found["groups"][0]["group"], found["groups"][0]["name"]) == (run.id, "drone")
    assert found["groups"][0]["training"] == {
        "usd": 1.25,
        "estimated_usd": 1.25,
        "items": 1,
        "estimated_items": 1,
        "unknown_items": 0,
    }
    assert found["total"]["evaluation"]["usd"] is None
    assert found["total"]["all"]["usd"] == 1.25
    assert found["unknown"][0]["missing"] == "price"
    assert found["caps"]["endpoints"][0]["max_cost_usd_per_month"] == 200.0
    assert found["caps"]["job_files"][0]["used"]["usd"] == 1.25


def test_a_spreadsheet_gets_every_kind_and_runs_no_formula(books: Books) -> None:
    books.run(labels={"team": "=HYPERLINK(1)"})
    rows = list(csv.DictReader(io.StringIO(ftorch("cost", "--by", "tag:team", "--csv").stdout)))
    assert [row["group"] for row in rows] == ["'=HYPERLINK(1)", "total"]
    assert rows[0]["training"] == "3.0"
    assert set(rows[0]) >= {"evaluation", "generation", "hosting", "total", "estimated", "unknown_items"}


def test_names_from_outside_steer_no_terminal(books: Books) -> None:
    books.run(
        labels={"team": "\x1b[31mred"},
        name="\x1b]0;x\x07",
        model="\x1b[2Jm",
        cost_usd=None,
        estimated_cost_usd=None,
    )
    for by in ("tag", "tag:team", "run", "model"):
        for form in ((), ("--json",), ("--csv",)):
            assert "\x1b" not in ftorch("cost", "--by", by, *form).stdout


def test_without_anything_recorded_it_says_so_and_makes_nothing(home: Path) -> None:
    done = ftorch("cost")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "Nothing has cost anything yet" in done.stderr
    assert json.loads(ftorch("cost", "--json").stdout)["groups"] == []
    assert "Nothing." in ftorch("cost", "--since", "7d").stdout
    assert list(home.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--by", "months"), '"months" is no group. Did you mean month? Give month, endpoint'),
        (("--by", "tag:"), '"tag:" is no group'),
        (("--by", "user:ada"), '"user:ada" is no group'),
        (("--since", "yesterday"), '"yesterday" is neither a duration'),
        (("--json", "--csv"), "--json and --csv can't be combined"),
    ],
)
def test_mistakes_are_usage_errors(home: Path, options: tuple[str, ...], problem: str) -> None:
    done = ftorch("cost", *options)
    assert done.exit_code == 2
    assert problem in " ".join(done.stderr.split())


def test_a_price_table_that_cannot_be_read_is_named(books: Books, home: Path) -> None:
    (home / "prices.toml").write_text("price = 1")
    (home / "ftorch.toml").write_text(ENDPOINTS + 'prices = "prices.toml"\n')
    books.answers("qwen-3-32b", endpoint="together")
    done = ftorch("cost")
    assert done.exit_code in (1, 2)
    assert "prices.toml" in done.stderr
