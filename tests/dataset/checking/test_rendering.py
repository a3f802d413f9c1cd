"""What an open-weights model adds to the check of a file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from support.modelfolders import CHATML, byte_level, model_folder
from support.rows import EXAMPLE, LEGACY, PREFERENCE, PROMPT, TOOL, changed, check_rows, codes, said

from orchestrator.dataset.checking.checks import CheckReport
from orchestrator.dataset.checking.filesets import CheckOptions, Source, check_files, check_together
from orchestrator.dataset.checking.rendering import Base
from orchestrator.dataset.rendering.renderer import open_renderer
from orchestrator.errors import ModelFolderUnusable, RenderingMissing

Row = dict[str, Any]
NO_CALLS = "{% for message in messages %}{{ message['content'] }}<stop>{% endfor %}"
"""A template that writes no calls, of a model that none of our templates fits."""


@pytest.fixture
def base(tmp_path: Path) -> Base:
    return Base("small", model_folder(tmp_path / "model"))


def check(path: Path, base: Base, *rows: Row, **options: Any) -> CheckReport:
    return check_rows(path, *rows, **{"purpose": "training", "model": base.name, "base": base, **options})


def found(report: CheckReport) -> list[tuple[str, int | None, str]]:
    return [(each.code, each.line, each.reason) for each in report.findings if each.code.startswith(("FT5", "FT9"))]


def test_tokens_are_those_that_training_sees(tmp_path: Path, base: Base) -> None:
    renderer = open_renderer(base.folder)
    report = check(tmp_path, base, EXAMPLE, LEGACY, purpose="validation")
    assert report.tokens == sum(len(renderer.supervised(row).ids) for row in (EXAMPLE, LEGACY))
    assert report.tokenizer == "small"
    assert codes(report) == []


def test_both_conversations_of_preference_data_count(tmp_path: Path, base: Base) -> None:
    rendered = open_renderer(base.folder).preference(PREFERENCE)
    report = check(tmp_path, base, PREFERENCE, method="dpo", purpose="validation")
    assert report.tokens == sum(len(each.ids) for each in rendered)


def test_of_an_evaluation_file_the_prompts_count(tmp_path: Path, base: Base) -> None:
    row = said("Up five.")
    prompt = open_renderer(base.folder).prompt(row["messages"][:1], None)
    assert check(tmp_path, base, row, purpose="evaluation").tokens == len(prompt.ids)


def test_prompts_for_a_grader_are_rendered_as_prompts(tmp_path: Path, base: Base) -> None:
    prompt = open_renderer(base.folder).prompt(PROMPT["messages"], None)
    report = check(tmp_path, base, PROMPT, method="reinforcement", purpose="validation")
    assert report.tokens == len(prompt.ids)


def test_a_row_longer_than_the_context_is_an_error_with_exact_numbers(tmp_path: Path, base: Base) -> None:
    long = said("Up! " * 400)
    tokens = len(open_renderer(base.folder).supervised(long).ids)
    report = check(tmp_path, base, said("Up."), long)
    reason = f"the example has {tokens:,} tokens, but small takes at most 512"
    assert found(report) == [("FT501", 2, reason)]
    assert report.tokens is None


def test_a_row_as_long_as_the_context_is_none(tmp_path: Path) -> None:
    row = said("Up.")
    tokens = len(open_renderer(model_folder(tmp_path / "wide")).supervised(row).ids)
    exact, less = (
        Base("small", model_folder(tmp_path / f"{size}", max_position_embeddings=size))
        for size in (tokens, tokens - 1)
    )
    assert found(check(tmp_path, exact, row)) == []
    assert [code for code, _, _ in found(check(tmp_path, less, row))] == ["FT501"]


def test_a_row_without_a_learned_token_is_an_error(tmp_path: Path, base: Base) -> None:
    unlearned = changed(said("Up."), "messages", 1, "weight", 0)
    report = check(tmp_path, base, said("Down."), unlearned)
    assert [(code, line) for code, line, _ in found(report)] == [("FT903", 2)]
    cases = check(tmp_path, base, unlearned, purpose="evaluation")
    assert found(cases) == []


def test_what_the_template_loses_is_an_error(tmp_path: Path) -> None:
    tokenizer = byte_level(("<stop>",))
    base = Base("small", model_folder(tmp_path / "model", NO_CALLS, tokenizer=tokenizer, eos="<stop>"))
    report = check(tmp_path, base, said("Up."), EXAMPLE)
    [(code, line, reason)] = found(report)
    assert (code, line) == ("FT902", 2)
    assert reason.startswith("the chat template of small does not keep the whole example: the template leaves out")


def test_what_the_template_refuses_is_an_error_with_its_words(tmp_path: Path) -> None:
    template = "{% if messages|length > 2 %}{{ raise_exception('One question at a time.') }}{% endif %}" + CHATML
    base = Base("small", model_folder(tmp_path / "model", template))
    report = check(tmp_path, base, said("Up."), said("Up.", "Down."))
    [(code, line, reason)] = found(report)
    assert (code, line) == ("FT901", 2)
    assert "One question at a time." in reason
    [finding] = [each for each in report.findings if each.code == "FT901"]
    assert "Change the example as the template asks" in finding.fix


def test_content_that_is_no_text_is_an_error(tmp_path: Path, base: Base) -> None:
    image = [{"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}]
    [(code, line, reason)] = found(check(tmp_path, base, said(image)))
    assert (code, line) == ("FT901", 1)
    assert "image_url" in reason


def test_a_text_like_a_control_token_is_a_warning_for_the_whole_file(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model", tokenizer=byte_level(("<|im_start|>", "<|im_end|>", "</s>")))
    rows = [said("Up </s>"), said("Is </s> the end?"), said("Up")]
    report = check(tmp_path, Base("small", folder), *rows, purpose="validation")
    assert found(report) == [
        ("FT904", 1, "2 text(s) hold </s>, a control token of small; here it is read as plain text")
    ]
    [finding] = [each for each in report.findings if each.code == "FT904"]
    assert finding.pointer == "/messages/0/content"
    assert report.tokens


def test_control_tokens_are_found_in_definitions_that_rows_share(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model", tokenizer=byte_level(("<|im_start|>", "<|im_end|>", "</s>")))
    spoilt = changed(EXAMPLE, "tools", 0, "function", "description", "Climb, then </s>.")
    report = check(tmp_path, Base("small", folder), EXAMPLE, EXAMPLE, spoilt, spoilt, purpose="validation")
    [finding] = [each for each in report.findings if each.code == "FT904"]
    assert (finding.line, finding.pointer) == (3, "/tools/0/function/description")
    assert finding.reason.startswith("2 text(s)")


def test_rows_that_can_not_be_rendered_still_count_for_the_whole_file(tmp_path: Path) -> None:
    tokenizer = byte_level(("<stop>",))
    base = Base("small", model_folder(tmp_path / "model", NO_CALLS, tokenizer=tokenizer, eos="<stop>"))
    assert len(check(tmp_path, base, EXAMPLE, EXAMPLE).survey) == 2


def test_any_number_of_processes_finds_the_same(
    tmp_path: Path, base: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.dataset.checking.checks.LEAST_PART_BYTES", 1)
    rows = [
        changed(EXAMPLE, "messages", 1, "content", f"Up {number}. " * 3 + "x" * (number % 7))
        for number in range(60)
    ]
    rows[40] = said("Up! " * 400)
    one, two = (check(tmp_path, base, *rows, processes=count) for count in (1, 2))
    assert one == two
    assert [(code, line) for code, line, _ in found(two)] == [("FT501", 41)]


def test_a_folder_that_is_no_model_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelFolderUnusable, match=r"it has no tokenizer\.json"):
        check(tmp_path, Base("empty", tmp_path / "empty"), said("Up."))


# --- Without the extra --------------------------------------------------------------------------------------------


@pytest.fixture
def without_tokenizers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)


@pytest.mark.usefixtures("without_tokenizers")
def test_without_tokenizers_a_job_is_checked_with_an_estimate_and_says_so(tmp_path: Path, base: Base) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text("\n".join(json.dumps({**said(f"Up {number}."), "tools": [TOOL]}) for number in range(10)))
    [checked] = check_together([Source(path, "training", model="small", base=base)])
    assert checked.report.tokenizer is None
    assert checked.report.tokens
    [finding] = [each for each in checked.report.findings if each.code == "FT905"]
    assert "tokens are an estimate" in finding.reason
    assert "install" in finding.fix
    assert "tokenizers" in finding.fix


@pytest.mark.usefixtures("without_tokenizers")
def test_without_tokenizers_a_model_that_the_user_names_is_refused(tmp_path: Path, base: Base) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text(json.dumps(said("Up.")))
    with pytest.raises(RenderingMissing, match="install"):
        check_files([path], CheckOptions(model="small", base=base))
