"""Ranks, ties, filters, and models that are off the leaderboard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.command import ftorch
from support.recording import BASE, TUNED, record_evaluation

from orchestrator.api import leaderboard as api
from orchestrator.api.host import Host
from orchestrator.errors import NotEvaluated
from orchestrator.evaluation.leaderboard import Leaderboard, leaderboards
from orchestrator.ledger import Ledger, open_ledger

OTHER = "ft:gpt-4.1-mini-2025-04-14:org:drone:def"


@pytest.fixture
def ledger(home: Path) -> Iterator[Ledger]:
    (home / "ftorch.toml").write_text("")
    with open_ledger(home, create=True) as opened:
        yield opened


def ranked(board: Leaderboard) -> list[tuple[int | None, str, str]]:
    return [(place.rank, place.series.model, place.series.variant) for place in board.places]


def test_ties_share_a_rank_and_the_one_with_fewer_prompt_tokens_comes_first(ledger: Ledger) -> None:
    right = {(BASE, "full"): [1], (TUNED, "full"): [1, 2], (TUNED, "no-tools"): [2, 3], (BASE, "no-tools"): []}
    record_evaluation(ledger, right, tokens={"full": (100, 10), "no-tools": (40, 10)})
    [board] = leaderboards(ledger)
    assert ranked(board) == [
        (1, TUNED, "no-tools"),
        (1, TUNED, "full"),
        (3, BASE, "full"),
        (4, BASE, "no-tools"),
    ]


def test_what_the_metric_does_not_count_has_no_rank(ledger: Ledger) -> None:
    record_evaluation(ledger, {(BASE, "full"): [1], (TUNED, "full"): [2]})
    [board] = leaderboards(ledger, metric="rejection_recall")
    assert [place.rank for place in board.places] == [None, None]


def test_a_name_filters_rows_and_keeps_their_ranks(ledger: Ledger) -> None:
    record_evaluation(ledger, {(BASE, "full"): [1], (OTHER, "full"): [1, 2, 3]}, name="other")
    record_evaluation(ledger, {(TUNED, "full"): [1, 2]}, id="eval0002", created_at=2000.0)
    [board] = leaderboards(ledger, "drone")
    assert ranked(board) == [(2, TUNED, "full")]
    [by_model] = leaderboards(ledger, OTHER)
    assert ranked(by_model) == [(1, OTHER, "full")]
    assert leaderboards(ledger, "nothing") == []


def test_a_removed_model_keeps_its_scores_and_comes_back(ledger: Ledger) -> None:
    record_evaluation(ledger, {(BASE, "full"): [1], (TUNED, "full"): [1, 2]})
    api.remove(ledger, TUNED, Host())
    [board] = leaderboards(ledger)
    assert (ranked(board), board.removed) == ([(1, BASE, "full")], [TUNED])
    api.restore(ledger, TUNED, Host())
    [board] = leaderboards(ledger)
    assert (ranked(board)[0], board.removed) == ((1, TUNED, "full"), [])
    with pytest.raises(NotEvaluated):
        api.remove(ledger, "unknown", Host())


def test_a_file_whose_models_are_all_removed_says_how_to_bring_them_back(ledger: Ledger) -> None:
    record_evaluation(ledger, {(TUNED, "full"): [1, 2]})
    api.remove(ledger, TUNED, Host())
    [board] = leaderboards(ledger)
    assert (board.places, board.removed) == ([], [TUNED])


def test_removing_asks_first_and_says_how_to_undo_it(ledger: Ledger) -> None:
    record_evaluation(ledger, {(BASE, "full"): [1], (TUNED, "full"): [1, 2]})
    refused = ftorch("leaderboard", "--remove", TUNED)
    assert refused.exit_code == 4
    assert "Add --yes to remove it" in refused.stderr
    assert leaderboards(ledger)[0].removed == []
    done = ftorch("leaderboard", "--remove", TUNED, "--yes")
    assert f"ftorch leaderboard --restore {TUNED}" in done.stderr
    assert f"ftorch leaderboard --restore {TUNED}" in ftorch("leaderboard").stdout
    assert ftorch("leaderboard", "--remove", TUNED, "--restore", TUNED).exit_code == 2
    empty = ftorch("leaderboard", "nothing")
    assert (empty.exit_code, empty.stdout) == (0, "")
    assert 'No model of "nothing" was evaluated' in empty.stderr


def test_each_row_has_its_model_at_80_columns_and_more_figures_on_wider_ones(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_evaluation(ledger, {(BASE, "full"): [1], (TUNED, "full"): [1, 2]})
    for width, has_all in ((80, False), (150, True)):
        monkeypatch.setenv("COLUMNS", str(width))
        lines = ftorch("leaderboard").stdout.splitlines()
        assert all(len(line) <= width for line in lines)
        [first] = [line for line in lines if TUNED in line]
        assert first.split()[:3] == ["1", TUNED, "20%"]
        assert ("1,000" in " ".join(lines)) is has_all
        assert ("A wider terminal" in " ".join(lines)) is not has_all
