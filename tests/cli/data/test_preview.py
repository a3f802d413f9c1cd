"""`data preview` as a user types it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.command import at_terminal, ftorch
from support.modelfolders import CHATML, byte_level, model_folder
from support.rows import EXAMPLE, PREFERENCE, changed, said

from orchestrator.dataset.rendering.renderer import open_renderer

ANSWERED = changed(EXAMPLE, "messages", 1, "content", "Up\tfive.\x1b[31m\nNow!")
LONG = said("word " * 400)
JOB = 'name = "up"\nendpoint = "local"\nmodel = "{model}"\n[data]\ntraining_file = "train.jsonl"\n'


@pytest.fixture
def model(home: Path) -> Path:
    """A model's folder without weights, which are not needed."""
    return model_folder(home / "models" / "small", max_position_embeddings=4096)


@pytest.fixture
def write(home: Path) -> Callable[..., None]:
    def write(*rows: Any, name: str = "train.jsonl") -> None:
        (home / name).write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))

    return write


def preview(*arguments: object, file: str = "train.jsonl", model: str = "models/small") -> Any:
    return ftorch("data", "preview", file, "--model", model, *map(str, arguments))


@pytest.mark.usefixtures("model")
def test_learned_lines_are_told_from_context_without_colour(write: Callable[..., None]) -> None:
    write(ANSWERED)
    done = preview()
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    learned = [line for line in lines if line.startswith("> ")]
    assert learned == ["> <tool_call>⏎", '> {"name": "climb", "arguments": {"metres": 5}}⏎', *learned[2:]]
    assert learned[2:] == ["> </tool_call><|im_end|>", "> Done.<|im_end|>"]
    assert "  <|im_start|>user⏎" in lines
    assert "  Up\\tfive.\\x1b[31m⏎" in lines
    assert "  Now!<|im_end|>⏎" in lines
    assert "\x1b" not in done.stdout


@pytest.mark.usefixtures("model")
def test_the_template_its_hash_and_the_numbers_of_tokens_are_named(home: Path, write: Callable[..., None]) -> None:
    write(EXAMPLE)
    renderer = open_renderer(home / "models" / "small")
    rendered = renderer.supervised(EXAMPLE)
    shown = preview().stdout
    assert "model      small, a context of 4,096 tokens" in shown
    assert renderer.template.source in shown
    assert renderer.template.sha256 in shown
    assert f"train.jsonl:1: {len(rendered.ids)} tokens, {sum(rendered.learned)} of them learned" in shown
    counts = [
        int(number) for number in re.findall(r"^(?:context|learned), (\d+) tokens$", shown, flags=re.MULTILINE)
    ]
    assert counts == [span.tokens for span in rendered.spans]
    assert "All" not in shown.partition("EACH SEQUENCE")[0]
    assert "The row can be rendered and fits into the context of 4,096 tokens" in shown
    assert "Learned text is found by prefix difference" in shown


@pytest.mark.usefixtures("model")
def test_a_long_context_is_folded_in_the_middle_and_whole_with_full(write: Callable[..., None]) -> None:
    write(LONG)
    folded, full = preview().stdout, preview("--full").stdout
    [hidden] = re.findall(r"^  … ([\d,]+) tokens of context \(--full\) …$", folded, flags=re.MULTILINE)
    [total] = re.findall(r"^context, ([\d,]+) tokens$", folded, flags=re.MULTILINE)
    assert 120 + 60 - 10 <= int(total.replace(",", "")) - int(hidden.replace(",", "")) <= 120 + 60 + 60
    assert folded.count("word") < 60
    assert full.count("word") == 400
    assert "tokens of context" not in full


@pytest.mark.usefixtures("model")
def test_both_answers_of_preference_data_are_shown(write: Callable[..., None]) -> None:
    write(PREFERENCE)
    shown = preview().stdout
    assert re.search(r"train\.jsonl:1, preferred answer: .*\n(.*\n)*> Hello!", shown)
    assert re.search(r"train\.jsonl:1, other answer: .*\n(.*\n)*> What\?", shown)


@pytest.mark.usefixtures("model")
def test_a_row_of_an_evaluation_file_is_the_prompt_that_is_asked(write: Callable[..., None]) -> None:
    write(said("Up."), name="eval.jsonl")
    shown = preview(file="eval.jsonl").stdout
    assert "eval.jsonl:1: a prompt of " in shown
    assert "Yes." not in shown
    assert "\nlearned" not in shown


@pytest.mark.usefixtures("model")
def test_rows_that_can_not_be_used_are_named_with_reasons(home: Path, write: Callable[..., None]) -> None:
    model_folder(home / "models" / "small", max_position_embeddings=300)
    image = [{"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}]
    write(said("Up."), LONG, said(image), "never", changed(said("Up."), "messages", 1, "weight", 0))
    done = preview()
    assert done.exit_code == 1
    shown = done.stdout
    summary = "Of 4 rows: 1 can't be rendered, 1 longer than the context, 1 without a learned token"
    assert summary in shown
    assert re.search(r"^train\.jsonl:2: [\d,]+ tokens, and the context holds 300$", shown, flags=re.MULTILINE)
    assert re.search(r"^train\.jsonl:3: .*image_url", shown, flags=re.MULTILINE)
    assert "train.jsonl:5: no token is learned: every answer has weight 0" in shown
    assert "Left out, with errors: 1 line. See them: ftorch data check train.jsonl" in shown


@pytest.mark.usefixtures("model")
def test_a_row_that_can_not_be_rendered_is_shown_with_its_reason(write: Callable[..., None]) -> None:
    image = [{"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}]
    write(said("Up."), said(image))
    done = preview("--line", 2)
    assert done.exit_code == 1
    assert "train.jsonl:2 can't be rendered: " in done.stdout
    assert preview("--line", 2, "--json").exit_code == 1


def test_what_the_template_adds_and_ignores_is_named(home: Path, write: Callable[..., None]) -> None:
    greeting = "{{ '<|im_start|>system\nBe kind to everybody.<|im_end|>\n' }}" + CHATML
    tokenizer = byte_level(("<|im_start|>", "<|im_end|>", "</s>"))
    model_folder(home / "models" / "small", greeting, tokenizer=tokenizer)
    write(changed(said("What is </s>?"), "messages", 0, "name", "ann"))
    shown = preview().stdout
    assert "The template adds\n  Be kind to everybody.\n" in shown
    assert "The template leaves out\n  the name of message 1\n" in shown
    assert "Read as plain text, not as a control token\n  </s>\n" in shown


@pytest.mark.usefixtures("model")
def test_drop_previews_shorter_definitions(write: Callable[..., None]) -> None:
    write(EXAMPLE)
    assert "Climb to a height." in preview().stdout
    assert "Climb to a height." not in preview("--drop", "descriptions").stdout
    assert preview("--drop", "nonsense").exit_code == 2


# --- For programs ------------------------------------------------------------------------------------------------


def test_json_has_spans_with_the_ids_that_training_uses(model: Path, write: Callable[..., None]) -> None:
    write(EXAMPLE, said("Up."))
    found = json.loads(preview("--json").stdout)
    renderer = open_renderer(model)
    rendered = renderer.supervised(EXAMPLE)
    [sequence] = found["sequences"]
    spans = sequence["spans"]
    assert [number for span in spans for number in span["ids"]] == rendered.ids
    assert [span["learned"] for span in spans for _ in span["ids"]] == rendered.learned
    assert [span["tokens"] for span in spans] == [len(span["ids"]) for span in spans]
    assert (sequence["tokens"], sequence["learned_tokens"]) == (len(rendered.ids), sum(rendered.learned))
    assert renderer.decode(rendered.ids) == "".join(span["text"] for span in spans)
    assert found["template"] == {
        "source": renderer.template.source,
        "sha256": renderer.template.sha256,
        "family": "hermes",
    }
    assert (found["context_length"], found["line"], found["problem"]) == (4096, 1, None)
    assert found["rows"]["tried"] == 2
    assert found["rows"]["lengths"]["maximum"] == len(rendered.ids)


# --- At a terminal -----------------------------------------------------------------------------------------------


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """What a terminal of 80 columns shows."""

    def shown(*arguments: str, **environment: str) -> str:
        for name, value in {"COLUMNS": "80", "TERM": "xterm-256color", **environment}.items():
            monkeypatch.setenv(name, value)
        return at_terminal("data", "preview", "train.jsonl", "--model", "models/small", *arguments)[1]

    return shown


def plain(shown: str) -> list[str]:
    return re.sub(r"\x1b\[[\d;]*m", "", shown).replace("\r", "").splitlines()


@pytest.mark.usefixtures("model")
def test_a_terminal_shows_learned_tokens_in_colour_within_its_width(
    terminal: Callable[..., str], write: Callable[..., None]
) -> None:
    write(changed(EXAMPLE, "messages", 1, "content", "Climb, please. " * 20))
    shown = terminal()
    assert max(map(len, plain(shown))) <= 80
    assert re.search(r"\x1b\[(1;)?32m[^\x1b]*name", shown), "learned text is green"
    assert re.search(r"\x1b\[(1;)?35m<\|im_end\|>", shown), "control tokens are magenta"
    assert not re.search(r"\x1b\[(1;)?32m[^\x1b]*please", shown), "context is not green"


@pytest.mark.usefixtures("model")
def test_no_color_is_respected(terminal: Callable[..., str], write: Callable[..., None]) -> None:
    write(EXAMPLE)
    assert not re.search(r"\x1b\[(\d;)?3\dm", terminal(NO_COLOR="1"))


@pytest.mark.usefixtures("model")
def test_nothing_in_a_row_steers_the_terminal(terminal: Callable[..., str], write: Callable[..., None]) -> None:
    write(changed(said("a\x1b]0;title\x07b\u202ec\u009bd"), "messages", 0, "name", "x\x1b[2Jy"))
    shown = terminal()
    assert re.sub(r"\x1b\[[\d;]*m|[\r\n]", "", shown).isprintable()
    assert "a\\x1b]0;title\\x07b\\u202ec\\x9bd" in "".join(plain(shown))


# --- Mistakes ----------------------------------------------------------------------------------------------------


def error(*arguments: str) -> str:
    done = ftorch("data", "preview", *arguments)
    assert done.exit_code == 2, done.output
    return " ".join(done.stderr.split())


def test_a_model_has_to_be_named(write: Callable[..., None]) -> None:
    write(EXAMPLE)
    assert "train.jsonl names no open-weights model on this machine. Add --model" in error("train.jsonl")


def test_a_name_of_no_model_is_told_with_what_to_do(home: Path, write: Callable[..., None]) -> None:
    write(EXAMPLE)
    model_folder(home / "models" / "small")
    (home / "models" / "small" / "model.safetensors").write_bytes(b"")
    (home / "ftorch.toml").write_text('[models]\nsmall = "models/small"\n')
    assert 'no open-weights model "smoll" on this machine. Did you mean small?' in error(
        "train.jsonl", "--model", "smoll"
    )
    assert "Known: small; or give the folder" in error("train.jsonl", "--model", "gpt-4.1-mini")
    assert "hf download qwen/Qwen3" in error("train.jsonl", "--model", "qwen/Qwen3")
    assert "it does not exist" in error("train.jsonl", "--model", "./nowhere")


def test_a_folder_that_is_no_model_and_a_broken_template_are_told(home: Path, write: Callable[..., None]) -> None:
    write(EXAMPLE)
    (home / "empty").mkdir()
    assert "it has no tokenizer.json" in error("train.jsonl", "--model", "./empty")
    model_folder(home / "broken", "{% if %}")
    assert "chat template" in error("train.jsonl", "--model", "./broken")


@pytest.mark.usefixtures("model")
def test_a_line_that_is_not_there_is_told(write: Callable[..., None]) -> None:
    write(EXAMPLE, "never")
    assert "Line 7 of train.jsonl can't be shown: the last example is on line 2" in error(
        "train.jsonl", "--model", "models/small", "--line", "7"
    )
    assert "See all problems: ftorch data check train.jsonl" in error(
        "train.jsonl", "--model", "models/small", "--line", "2"
    )


@pytest.mark.usefixtures("model")
def test_without_the_extra_the_command_that_installs_it_is_named(
    write: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(EXAMPLE)
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    done = preview()
    assert done.exit_code == 1
    assert re.search(r"needs tokenizers, which is not installed\. Run: .*install.*tokenizers", done.stderr)


# --- Job files ---------------------------------------------------------------------------------------------------


def test_a_job_file_shows_its_training_file_for_its_model(
    model: Path, home: Path, write: Callable[..., None]
) -> None:
    (model / "model.safetensors").write_bytes(b"")
    write(EXAMPLE)
    (home / "job.toml").write_text(JOB.format(model="./models/small"))
    found = json.loads(ftorch("data", "preview", "job.toml", "--json").stdout)
    assert (found["file"], found["model"], found["rows"]["tried"]) == ("train.jsonl", "small", 1)


@pytest.mark.usefixtures("model")
def test_a_job_of_a_hosted_model_needs_a_model_to_render_for(home: Path, write: Callable[..., None]) -> None:
    write(EXAMPLE)
    (home / "job.toml").write_text(JOB.format(model="gpt-4.1-mini"))
    assert "job.toml names no open-weights model on this machine. Add --model" in error("job.toml")
    assert preview(file="job.toml").exit_code == 0
