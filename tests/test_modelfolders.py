from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.openweights import REVISION, cached_model, model_folder

from orchestrator.errors import ModelFolderUnusable, ModelNotDownloaded
from orchestrator.modelfolders import (
    cached_ids,
    content_mark,
    find_folder,
    hub_cache,
    is_hub_id,
    is_model_name,
    is_path,
    models_below,
    name_of,
    problem_with,
)


def test_a_folder_needs_a_configuration_a_tokenizer_and_safe_weights(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model")
    assert problem_with(folder) is None
    assert problem_with(tmp_path / "nowhere") == "it does not exist"
    assert problem_with(folder / "config.json") == "it is not a folder"
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert problem_with(folder) == "it has no *.safetensors (pytorch_model.bin is not read)"
    (folder / "tokenizer.json").unlink()
    assert problem_with(folder) == "it has no tokenizer.json"
    (folder / "config.json").unlink()
    assert problem_with(folder) == "it has no config.json"
    (folder / "adapter_config.json").write_text("{}")
    assert problem_with(folder) == "it holds a LoRA adapter, not a base model"


def test_a_missing_part_of_the_weights_is_named(tmp_path: Path) -> None:
    folder = model_folder(tmp_path)
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    listed = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": listed}))
    said = "model-00002-of-00002.safetensors is missing, which model.safetensors.index.json lists"
    assert problem_with(folder) == said
    (folder / "model-00002-of-00002.safetensors").touch()
    assert problem_with(folder) is None
    (folder / "model.safetensors.index.json").write_text("[]")
    assert problem_with(folder) is None


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/models/SmolLM2-135M", "SmolLM2-135M"),
        ("~/models/smol.v2/", "smol.v2"),
        ("../a b/ünï", "n"),
        ("./my model (2)", "my-model-2"),
        ("/", "model"),
        ("/models/x/../y", "y"),
    ],
)
def test_a_name_is_the_last_part_of_the_path_in_the_letters_of_model_ids(path: str, name: str) -> None:
    assert name_of(path) == name
    assert is_model_name(name_of(path))


def test_paths_ids_and_names_are_told_apart() -> None:
    assert all(map(is_path, ["/a", "~/a", "./a", "../a", ".a/b", ".", "..", "~"]))
    assert not any(map(is_path, ["a", "a/b", "~a", "gpt-4.1"]))
    assert is_hub_id("HuggingFaceTB/SmolLM2-135M-Instruct")
    assert not any(map(is_hub_id, ["a", "a/b/c", "/a/b", "a/", "a/../b", "a b/c", f"a/{'b' * 96}"]))
    assert is_model_name("a/b")
    assert not any(map(is_model_name, ["", "ft:a", "a b", "-a", "a//b", "a" * 97]))


# --- Finding a folder --------------------------------------------------------------------------------------------


def test_a_path_is_relative_to_where_it_is_written(home: Path, tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "models" / "smol")
    assert find_folder("models/smol", tmp_path) == folder
    assert find_folder("./models/smol", tmp_path) == folder
    assert find_folder(str(folder), home) == folder
    own = model_folder(tmp_path / "home" / "smol")
    assert find_folder("~/smol", home) == own


@pytest.mark.parametrize("text", ["./models/none", "none", "/none/at/all", "~nobody/model", "a/b/c"])
def test_a_folder_that_is_no_model_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(ModelFolderUnusable, match=r"can't be used as a model: it does not exist\.") as refused:
        find_folder(text, tmp_path)
    assert refused.value.exit_code == 2


@pytest.mark.parametrize(
    ("variable", "below"),
    [("HF_HUB_CACHE", ""), ("HF_HOME", "hub"), ("XDG_CACHE_HOME", "huggingface/hub"), (None, "")],
)
def test_an_id_is_looked_up_in_the_users_cache(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str | None, below: str
) -> None:
    for name in ("HF_HUB_CACHE", "HF_HOME"):
        monkeypatch.delenv(name, raising=False)
    cache = tmp_path / "home" / ".cache" / "huggingface" / "hub"
    if variable is not None:
        monkeypatch.setenv(variable, str(tmp_path / "elsewhere"))
        cache = tmp_path / "elsewhere" / below
    assert hub_cache() == cache
    with pytest.raises(ModelNotDownloaded, match="hf download org/smol"):
        find_folder("org/smol", home)
    folder = cached_model(cache, "org/smol")
    assert find_folder("org/smol", home) == folder
    assert cached_ids() == ["org/smol"]


def test_a_folder_of_the_same_name_comes_before_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    cached_model(tmp_path / "cache", "org/smol")
    assert find_folder("org/smol", tmp_path) == tmp_path / "cache" / "models--org--smol" / "snapshots" / REVISION
    folder = model_folder(tmp_path / "org" / "smol")
    assert find_folder("org/smol", tmp_path) == folder


def test_an_incomplete_download_names_the_command_that_completes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    (cached_model(tmp_path, "org/smol") / "tokenizer.json").unlink()
    with pytest.raises(ModelFolderUnusable, match=r"no tokenizer\.json; download it again: hf download org/smol"):
        find_folder("org/smol", tmp_path)


@pytest.mark.parametrize("revision", ["../../../secret", "", "main", "ünï"])
def test_a_cache_that_leads_elsewhere_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, revision: str
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    cached_model(tmp_path / "cache", "org/smol")
    model_folder(tmp_path / "secret")
    (tmp_path / "cache" / "models--org--smol" / "refs" / "main").write_text(revision)
    with pytest.raises(ModelNotDownloaded):
        find_folder("org/smol", tmp_path)
    assert cached_ids() == []


def test_a_folder_is_one_model_or_holds_some(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = model_folder(tmp_path / "models" / "one"), model_folder(tmp_path / "models" / "two words")
    (tmp_path / "models" / "notes").mkdir()
    assert models_below(str(one)) == {"one": one}
    assert models_below(str(tmp_path / "models")) == {"one": one, "two-words": other}
    with pytest.raises(
        ModelFolderUnusable, match=r"notes can't be used as a model: neither it nor a folder in it has"
    ):
        models_below(str(tmp_path / "models" / "notes"))
    (other / "tokenizer.json").unlink()
    with pytest.raises(ModelFolderUnusable, match=r"two words can't be used as a model: it has no tokenizer\.json"):
        models_below(str(tmp_path / "models"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    cached = cached_model(tmp_path / "cache", "org/smol")
    assert models_below("org/smol") == {"org/smol": cached}


# --- Telling models apart ----------------------------------------------------------------------------------------


def test_the_mark_follows_the_contents_and_not_the_path(tmp_path: Path) -> None:
    marks = {content_mark(model_folder(tmp_path / name)) for name in ("a", "b")}
    assert len(marks) == 1
    assert content_mark(model_folder(tmp_path / "a", b"Weights")) not in marks
    (tmp_path / "b" / "config.json").write_text('{"layers": 2}')
    assert content_mark(tmp_path / "b") not in marks
    before = content_mark(tmp_path / "b")
    (tmp_path / "b" / "chat_template.jinja").write_text("{{ messages }}")
    assert content_mark(tmp_path / "b") != before


@pytest.mark.parametrize("place", [0, 150_000, 999_999])
def test_the_mark_sees_both_ends_of_large_weights_and_places_between(tmp_path: Path, place: int) -> None:
    weights = bytearray(1_000_000)
    before = content_mark(model_folder(tmp_path, bytes(weights)))
    weights[place] = 1
    assert content_mark(model_folder(tmp_path, bytes(weights))) != before


def test_weights_that_can_not_be_read_are_named(tmp_path: Path) -> None:
    folder = model_folder(tmp_path)
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").mkdir()
    with pytest.raises(ModelFolderUnusable, match=r"model\.safetensors: Is a directory"):
        content_mark(folder)
