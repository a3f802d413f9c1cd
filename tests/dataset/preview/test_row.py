from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from support.modelfolders import CHATML, byte_level, model_folder
from support.rows import EXAMPLE, PREFERENCE, PROMPT, changed, said

from orchestrator.dataset.basemodels import Purpose
from orchestrator.dataset.preview.row import RowPreview, Rows, preview_row
from orchestrator.dataset.rendering.renderer import Renderer, open_renderer
from orchestrator.dataset.shorten import CUTS, Cut
from orchestrator.errors import NoSuchLine

GREETING = "{{ '<|im_start|>system\nYou are kind to everybody.<|im_end|>\n' }}" + CHATML


@pytest.fixture(scope="module")
def renderer(tmp_path_factory: pytest.TempPathFactory) -> Renderer:
    return open_renderer(model_folder(tmp_path_factory.mktemp("model")))


@pytest.fixture
def write(tmp_path: Path) -> Path:
    return tmp_path / "train.jsonl"


def rows(
    path: Path, *lines: Mapping[str, Any] | str, purpose: Purpose = "training", cut: Cut = CUTS["full"]
) -> Rows:
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return Rows(path, purpose, None, cut)


def learned(shown: RowPreview, sequence: int = 0) -> list[str]:
    return [span.text for span in shown.sequences[sequence].spans if span.is_learned]


def test_learned_and_context_spans_alternate_and_hold_all_tokens(write: Path, renderer: Renderer) -> None:
    shown = preview_row(rows(write, EXAMPLE), renderer)
    [sequence] = shown.sequences
    rendered = renderer.supervised(EXAMPLE)
    assert [span.is_learned for span in sequence.spans] == [False, True, False, True]
    assert [number for span in sequence.spans for number in span.ids] == rendered.ids
    assert (sequence.tokens, sequence.learned) == (len(rendered.ids), sum(rendered.learned))
    assert sequence.method == "prefix"
    assert learned(shown)[1] == "Done.<|im_end|>"
    assert '"name": "climb"' in learned(shown)[0]


def test_an_answer_with_weight_0_is_one_context_with_its_neighbours(write: Path, renderer: Renderer) -> None:
    shown = preview_row(rows(write, changed(EXAMPLE, "messages", 2, "weight", 0)), renderer)
    assert [span.is_learned for span in shown.sequences[0].spans] == [False, True]
    assert learned(shown) == ["Done.<|im_end|>"]


def test_preference_data_has_both_answers(write: Path, renderer: Renderer) -> None:
    shown = preview_row(rows(write, PREFERENCE), renderer)
    assert [sequence.label for sequence in shown.sequences] == ["preferred", "other"]
    assert (learned(shown, 0), learned(shown, 1)) == (["Hello!<|im_end|>"], ["What?<|im_end|>"])


def test_an_evaluation_row_and_a_prompt_for_a_grader_are_prompts(write: Path, renderer: Renderer) -> None:
    for given in (
        rows(write, said("Up."), purpose="evaluation"),
        rows(write.with_name("other.jsonl"), PROMPT),
    ):
        [sequence] = preview_row(given, renderer).sequences
        assert sequence.method is None
        assert sequence.learned == 0
        assert sequence.spans[0].text.endswith("<|im_start|>assistant\n")


def test_parts_that_drop_names_are_not_shown(write: Path, renderer: Renderer) -> None:
    full, short = (preview_row(rows(write, EXAMPLE, cut=cut), renderer) for cut in (Cut(), CUTS["no-parameters"]))
    texts = ["".join(span.text for span in shown.sequences[0].spans) for shown in (full, short)]
    assert ["Climb to a height." in text for text in texts] == [True, False]
    assert short.sequences[0].tokens < full.sequences[0].tokens


def test_what_a_template_adds_and_leaves_out_is_named(write: Path, tmp_path: Path) -> None:
    kind = open_renderer(model_folder(tmp_path / "kind", GREETING))
    shown = preview_row(rows(write, changed(said("Up."), "messages", 0, "name", "ann")), kind)
    assert list(shown.added) == ["You are kind to everybody."]
    assert list(shown.dropped) == ["the name of message 1"]


def test_a_text_like_a_control_token_is_named_and_is_no_control_token(write: Path, tmp_path: Path) -> None:
    tokenizer = byte_level(("<|im_start|>", "<|im_end|>", "</s>"))
    renderer = open_renderer(model_folder(tmp_path / "model", tokenizer=tokenizer))
    shown = preview_row(rows(write, said("What is </s>?")), renderer)
    assert list(shown.control_texts) == ["</s>"]
    pieces = [piece for span in shown.sequences[0].spans for piece in span.pieces]
    assert "</s>" not in [piece.text for piece in pieces]
    assert [piece.text for piece in pieces if piece.is_control].count("<|im_end|>") == 2


def test_a_row_that_can_not_be_rendered_has_its_reason(write: Path, renderer: Renderer) -> None:
    image = [{"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}]
    shown = preview_row(rows(write, said(image)), renderer)
    assert shown.sequences == ()
    assert "image_url" in str(shown.problem)


def test_the_first_row_without_errors_is_shown_or_the_one_asked_for(write: Path, renderer: Renderer) -> None:
    given = rows(write, "never", said("Up."), "", said("Down."))
    assert preview_row(given, renderer).line == 2
    assert preview_row(given, renderer, 4).line == 4


def test_a_line_without_a_good_row_is_told_with_the_reason(write: Path, renderer: Renderer) -> None:
    given = rows(write, "never", said("Up."), "", said("Down."))
    for line, problem in ((1, "not valid JSON"), (3, "the line is blank"), (9, "the last example is on line 4")):
        with pytest.raises(NoSuchLine, match=rf"Line {line} of .*train\.jsonl can't be shown: .*{problem}"):
            preview_row(given, renderer, line)
