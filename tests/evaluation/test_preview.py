"""What a submission says of the evaluation behind it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support.evaluation import MakeRow

from orchestrator.config import EndpointConfig
from orchestrator.errors import CasesInTraining, InvalidCases, VariantNotThere
from orchestrator.evaluation.preview import CHECKPOINTS_KEPT, Preview, preview
from orchestrator.jobfile import load_job_file

BOOKING = ("book_table", {"place": "Roma"})
LOCAL = EndpointConfig("local", "local")
PAID = EndpointConfig("openai", "openai", base_url="https://api.openai.com/v1", api_key_env="OPENAI_API_KEY")
Look = Callable[..., Preview | None]


@pytest.fixture
def look(tmp_path: Path, make_row: MakeRow, write_cases: Callable[..., Path]) -> Look:
    """Previews a job with these keys of `[evaluation]`, and two cases unless others are given."""
    training = tmp_path / "train.jsonl"
    row = make_row(BOOKING)
    row["messages"][0]["content"] = "Something else"
    training.write_text(json.dumps(row) + "\n")

    def look(
        keys: str = "auto = true",
        config: EndpointConfig = LOCAL,
        *rows: object,
        tuned: int = 1,
        model: str = "gpt-4.1-mini-2025-04-14",
    ) -> Preview | None:
        write_cases(*(rows or [make_row(BOOKING, id="a"), make_row("Hello", id="b")]))
        job = tmp_path / "job.toml"
        text = f'name = "job"\nmodel = "{model}"\n[data]\ntraining_file = "train.jsonl"\n'
        job.write_text(f'{text}[evaluation]\nfile = "cases.jsonl"\n{keys}\n')
        return preview(load_job_file(job), config, [training], tuned_models=tuned)

    return look


def test_only_what_follows_by_itself_is_looked_at(look: Look) -> None:
    assert look("auto = false", LOCAL, "no case at all") is None


def test_the_questions_of_all_models_are_counted(look: Look) -> None:
    found = look(
        'auto = true\nsamples = 3\nvariants = ["no-descriptions", "no-tools"]\n'
        'models = ["base", "tuned", "checkpoints"]',
        tuned=4,
    )
    assert found is not None
    assert found.models == 1 + 4 + 4 * CHECKPOINTS_KEPT
    assert found.questions == found.models * 2 * 3 * 2
    assert found.price is None


def test_the_price_is_that_of_every_question(look: Look) -> None:
    one, four = (
        look('auto = true\nmodels = ["tuned"]', PAID),
        look('auto = true\nmodels = ["tuned"]', PAID, tuned=4),
    )
    both = look("auto = true", PAID)
    assert one is not None
    assert four is not None
    assert both is not None
    assert one.price is not None
    assert one.price.usd
    assert four.price is not None
    assert four.price.usd == pytest.approx(4 * one.price.usd)
    assert both.price is not None
    assert both.price.usd is not None
    assert one.price.usd < both.price.usd < 2 * one.price.usd, "a base model costs less to ask"


@pytest.mark.parametrize(
    "model", ["ft:gpt-4.1-mini-2025-04-14:org::abc", "gpt-4.1-mini-2025-04-14.ft-abc"], ids=["openai", "azure"]
)
def test_what_is_tuned_from_a_tuned_model_is_priced_as_its_base(look: Look, model: str) -> None:
    first = look('auto = true\nmodels = ["tuned"]', PAID)
    again = look('auto = true\nmodels = ["tuned"]', PAID, model=model)
    assert first is not None
    assert again is not None
    assert again.price == first.price


def test_what_would_end_the_evaluation_ends_the_submission(look: Look, make_row: MakeRow) -> None:
    leaked = make_row(BOOKING)
    leaked["messages"][0]["content"] = "Something else"
    with pytest.raises(CasesInTraining, match="1 of 1 cases"):
        look("auto = true", LOCAL, leaked)
    found = look("auto = true\nallow_leak = true", LOCAL, leaked)
    assert found is not None
    assert "also appear in" in found.notes[0]
    with pytest.raises(InvalidCases, match=":1: "):
        look("auto = true", LOCAL, make_row(("no_tool", {})))
    bare = make_row(BOOKING)
    del bare["tools"]
    with pytest.raises(VariantNotThere):
        look('auto = true\nvariants = ["full"]', LOCAL, bare)
