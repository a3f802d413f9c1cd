from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.modelfolders import model_folder
from support.rows import EXAMPLE, PREFERENCE, changed, said

from orchestrator.dataset.preview.file import FilePreview, Unusable, preview_file
from orchestrator.dataset.preview.row import Rows
from orchestrator.dataset.rendering.renderer import Renderer, open_renderer
from orchestrator.dataset.shorten import CUTS
from orchestrator.errors import NoGoodExample


@pytest.fixture(scope="module")
def renderer(tmp_path_factory: pytest.TempPathFactory) -> Renderer:
    return open_renderer(model_folder(tmp_path_factory.mktemp("model")))


def preview(path: Path, renderer: Renderer, *rows: object) -> FilePreview:
    (path / "train.jsonl").write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return preview_file(Rows(path / "train.jsonl", "training", None, CUTS["full"]), renderer)


def test_lengths_are_those_of_all_rows(tmp_path: Path, renderer: Renderer) -> None:
    rows = [EXAMPLE, said("Up."), said("Up, please.")]
    rendered = [renderer.supervised(row) for row in rows]
    found = preview(tmp_path, renderer, *rows)
    assert found.lengths
    assert found.learned
    sizes = sorted(len(each.ids) for each in rendered)
    assert (found.lengths.minimum, found.lengths.median, found.lengths.maximum) == tuple(sizes)
    assert found.learned.total == sum(sum(each.learned) for each in rendered)
    assert (found.rows, found.is_usable, found.methods) == (3, True, {"prefix": 3})


def test_each_row_that_training_would_refuse_is_named(tmp_path: Path, renderer: Renderer) -> None:
    image = [{"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}]
    unlearned = changed(said("Up."), "messages", 1, "weight", 0)
    found = preview(tmp_path, renderer, said("Up."), said("Up! " * 400), said(image), "{", unlearned)
    assert (found.rows, found.left_out) == (4, 1)
    assert (found.too_long, found.not_rendered, found.nothing_learned) == (1, 1, 1)
    tokens = len(renderer.supervised(said("Up! " * 400)).ids)
    assert found.unusable[0] == Unusable(2, f"{tokens:,} tokens, and the context holds 512")
    assert [each.line for each in found.unusable] == [2, 3, 5]
    assert not found.is_usable


def test_preference_data_has_two_sequences_a_row(tmp_path: Path, renderer: Renderer) -> None:
    found = preview(tmp_path, renderer, PREFERENCE)
    assert (found.rows, found.methods) == (1, {"prefix": 2})


def test_a_file_without_a_good_row_is_told(tmp_path: Path, renderer: Renderer) -> None:
    with pytest.raises(NoGoodExample):
        preview(tmp_path, renderer, "{")
