"""Answers are held to text or calls that fit, in the format that the template writes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from support.randommodel import SPECIAL, write_tokenizer
from tokenizers import Tokenizer

from orchestrator.dataset.rendering.renderer import Renderer, open_renderer
from orchestrator.server.trainers.interface import Question
from orchestrator.server.trainers.lora.serving.callformat import CallFormat, call_format, special_tokens
from orchestrator.server.trainers.lora.serving.grammar import Grammars, GrammarUnusable
from orchestrator.server.trainers.lora.serving.grammartext import ANY_OBJECT, bounded

TAKE_OFF = {
    "name": "take_off",
    "parameters": {"type": "object", "properties": {"altitude": {"type": "integer"}}, "required": ["altitude"]},
}
LAND = {"name": "land", "parameters": {"type": "object", "properties": {}, "additionalProperties": False}}


def template(call: str, between: str = "", around: tuple[str, str] = ("", "")) -> str:
    """A template that writes each call like this."""
    calls = f"{{% for call in m.tool_calls %}}{call}{{{{ '' if loop.last else '{between}' }}}}{{% endfor %}}"
    return (
        "{% for tool in tools or [] %}{{ tool | tojson }}{% endfor %}"
        "{% for m in messages %}<|im_start|>{{ m.role }}\n"
        f"{{% if m.tool_calls %}}{around[0]}{calls}{around[1]}{{% else %}}{{{{ m.content }}}}{{% endif %}}"
        "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )


NAME, ARGUMENTS = "{{ call.function.name }}", "{{ call.function.arguments | tojson }}"
ONE_ONLY = "{% if not loop.first %}{{ raise_exception('one call') }}{% endif %}"
WHOLE = "{'name': call.function.name, 'arguments': call.function.arguments}"
LLAMA = template(f'{ONE_ONLY}{{"name": "{NAME}", "parameters": {ARGUMENTS}}}')
MISTRAL = template(f'{{"name": "{NAME}", "arguments": {ARGUMENTS}}}', ", ", ("<|pad|>[", "]"))
COMPACT = template(f"<tool_call>{{{{ {WHOLE} | tojson(separators=(',', ':')) }}}}</tool_call>")
PYTHON = template(
    f"{NAME}({{% for k, v in call.function.arguments.items() %}}{{{{ k }}}}={{{{ v }}}}, {{% endfor %}})"
)


class Model:
    """A tokenizer with a template, and a grammar for its answers."""

    def __init__(self, folder: Path, template: str | None) -> None:
        self.size = write_tokenizer(folder)
        (folder / "config.json").write_text(json.dumps({"eos_token_id": self.size - 2}))
        chosen = None
        if template is not None:
            chosen = folder / "other.jinja"
            chosen.write_text(template)
        self.renderer: Renderer = open_renderer(folder, chosen)
        self.form: CallFormat | None = call_format(self.renderer, special_tokens(folder))
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.grammars = Grammars(folder, self.size, self.renderer.stop_tokens)

    def ids(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def matcher(self, tools: Sequence[Any], **more: Any) -> Any:
        assert self.form is not None
        return self.grammars.matcher(self.form, Question((), tools, **more))

    def takes(self, text: str, tools: Sequence[Any] = (TAKE_OFF, LAND), **more: Any) -> str | None:
        """ "whole" if the answer may end here, "open" if not, None if the grammar refuses it."""
        matcher, left = self.matcher(tools, **more), self.ids(text)
        while True:
            forced = list(matcher.forced())
            if left[: len(forced)] != forced[: len(left)]:
                return None
            left = left[len(forced) :]
            if matcher.has_ended:
                return None if left else "whole"
            allowed = matcher.allowed()
            if not left:
                return "whole" if allowed[self.size - 2] else "open"
            if not allowed[left[0]]:
                return None
            matcher.accept(left.pop(0))


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, Model]:
    templates = {"chatml": None, "llama": LLAMA, "mistral": MISTRAL, "compact": COMPACT}
    return {name: Model(tmp_path_factory.mktemp(name), text) for name, text in templates.items()}


CALL = {
    "chatml": '<tool_call>\n{"name": "take_off", "arguments": {"altitude": 5}}\n</tool_call>',
    "llama": '{"name": "take_off", "parameters": {"altitude": 5}}',
    "mistral": '<|pad|>[{"name": "take_off", "arguments": {"altitude": 5}}]',
    "compact": '<tool_call>{"name":"take_off","arguments":{"altitude":5}}</tool_call>',
}
TWO = {
    "chatml": f'{CALL["chatml"]}\n<tool_call>\n{{"name": "land", "arguments": {{}}}}\n</tool_call>',
    "mistral": '<|pad|>[{"name": "take_off", "arguments": {"altitude": 5}}, {"name": "land", "arguments": {}}]',
    "compact": f'{CALL["compact"]}<tool_call>{{"name":"land","arguments":{{}}}}</tool_call>',
}


@pytest.mark.parametrize("name", CALL)
def test_the_format_is_that_of_the_template(name, models) -> None:
    model = models[name]
    call = {"id": "call_0001", "function": {"name": "take_off", "arguments": '{"altitude": 5}'}}
    row = {
        "messages": [
            {"role": "user", "content": "Up"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
        ],
        "tools": [{"type": "function", "function": TAKE_OFF}],
    }
    learned = "".join(span.text for span in model.renderer.supervised(row).spans if span.learned)
    assert learned == CALL[name] + SPECIAL[1]
    assert model.takes(CALL[name]) == "whole"


@pytest.mark.parametrize("name", CALL)
def test_arguments_must_fit_the_schema(name, models) -> None:
    model = models[name]
    for bad in ('"5"', "5.5", "null"):
        assert model.takes(CALL[name].replace("5", bad)) is None
    assert model.takes(CALL[name].replace("take_off", "fly_off")) is None
    assert model.takes(CALL[name].replace("altitude", "height")) is None
    assert model.takes(CALL[name].replace("5}", '5, "more": 1}')) is None


@pytest.mark.parametrize("name", CALL)
def test_any_token_may_begin_an_answer_that_is_free_to_choose(name, models) -> None:
    model = models[name]
    matcher = model.matcher([TAKE_OFF, LAND])
    assert list(matcher.forced()) == []
    text = [number for number in range(model.size - len(SPECIAL)) if bytes_of(number) < 0x80]
    allowed = matcher.allowed()
    assert all(allowed[number] for number in text)
    assert model.takes('<b>Hello</b> {"x": 1} [1]') == "whole"
    assert model.takes("") == "whole"


def bytes_of(number: int) -> int:
    from tokenizers import pre_tokenizers

    letter = sorted(pre_tokenizers.ByteLevel.alphabet())[number]
    return ord(letter) if ord(letter) < 0x7F else 0xFF


@pytest.mark.parametrize("name", ["chatml", "mistral", "compact"])
def test_a_call_may_follow_text(name, models) -> None:
    assert models[name].takes(f"Going up.\n{CALL[name]}") == "whole"
    assert models[name].takes(f"Going up.\n{CALL[name]}".replace("5", "x")) is None


def test_without_a_marker_only_the_whole_answer_is_a_call(models) -> None:
    quoted = f"So: {CALL['llama']}".replace("5", "x")
    assert models["llama"].takes(quoted) == "whole"


@pytest.mark.parametrize("name", TWO)
def test_several_calls_need_parallel(name, models) -> None:
    assert models[name].takes(TWO[name]) == "whole"
    assert models[name].takes(TWO[name], parallel=False) is None
    assert models[name].takes(CALL[name], parallel=False) == "whole"


def test_a_template_for_one_call_gives_one_call(models) -> None:
    assert models["llama"].form.between is None
    assert models["llama"].takes(f"{CALL['llama']}; {CALL['llama']}") is None


@pytest.mark.parametrize("name", CALL)
def test_choices(name, models) -> None:
    model = models[name]
    for choice in ("required", "take_off"):
        assert model.takes(CALL[name], choice=choice) == "whole"
        assert model.takes("Hello", choice=choice) is None
        assert model.takes("", choice=choice) == "open"
    assert model.takes(CALL[name], choice="land") is None
    assert model.takes(CALL[name], choice="none") is None
    assert model.takes("Hello", choice="none") == "whole"


def test_a_chosen_function_without_parameters_is_written_without_the_model(models) -> None:
    matcher = models["chatml"].matcher([TAKE_OFF, LAND], choice="land", parallel=False)
    written = models["chatml"].renderer.decode(matcher.forced())
    assert written == '<tool_call>\n{"name": "land", "arguments": {}}\n</tool_call>'
    assert matcher.has_ended


@pytest.mark.parametrize("more", [{}, {"parameters": {}}, {"parameters": {"type": "object", "properties": {}}}])
def test_a_function_that_is_only_a_name_takes_any_arguments(more, models) -> None:
    model, anything = models["chatml"], {"name": "anything", **more}
    for arguments in ("{}", '{"a": 1, "b": {"c": [true, null, "x", -1.5]}}'):
        text = f'<tool_call>\n{{"name": "anything", "arguments": {arguments}}}\n</tool_call>'
        assert model.takes(text, [anything]) == "whole"
    assert model.takes('<tool_call>\n{"name": "anything", "arguments": [1]}\n</tool_call>', [anything]) is None


@pytest.mark.parametrize("tool", [TAKE_OFF, {"name": "take_off"}])
def test_digits_have_an_end(tool, models) -> None:
    model = models["chatml"]
    begun = '<tool_call>\n{"name": "take_off", "arguments": {"altitude": '
    assert model.takes(f"{begun}{'2' * 15}", [tool]) == "open"
    assert model.takes(f"{begun}{'2' * 40}", [tool]) is None


def test_bounds_are_added_at_every_depth_and_replace_none() -> None:
    number = {"type": "number", "minimum": 0}
    schema = {
        "properties": {"a": {"type": "array", "items": {"type": "integer"}}, "type": {"type": "string"}},
        "$defs": {"n": {"anyOf": [number, {"enum": [1, 2], "type": "integer"}]}},
    }
    made = bounded(schema)
    assert made["properties"]["a"]["items"]["maximum"] > 10**18
    assert made["properties"]["type"] == {"type": "string"}
    first, second = made["$defs"]["n"]["anyOf"]
    assert (first["minimum"], second) == (0, {"enum": [1, 2], "type": "integer"})
    assert bounded(ANY_OBJECT)["$defs"]["any"]["anyOf"][1]["maximum"] > 10**14


def test_a_bound_that_contradicts_a_schema_is_left_out(models) -> None:
    huge = {"type": "object", "properties": {"n": {"type": "number", "minimum": 10**16}}, "required": ["n"]}
    text = '<tool_call>\n{"name": "f", "arguments": {"n": 20000000000000000}}\n</tool_call>'
    assert models["chatml"].takes(text, [{"name": "f", "parameters": huge}]) == "whole"


def test_a_schema_that_the_library_refuses_is_named(models) -> None:
    remote = {"type": "object", "properties": {"a": {"$ref": "https://example.com/schema.json"}}}
    with pytest.raises(GrammarUnusable, match=r"example\.com"):
        models["chatml"].matcher([{"name": "f", "parameters": remote}])


def test_nothing_is_held_without_functions(models) -> None:
    assert models["chatml"].matcher([]) is None


def test_arguments_that_are_no_json_have_no_format(tmp_path) -> None:
    assert Model(tmp_path, PYTHON).form is None


def test_names_and_text_with_signs_of_grammars_are_quoted(models) -> None:
    odd = {"name": 'a"b\\c/d', "description": "x", "parameters": LAND["parameters"]}
    matcher = models["chatml"].matcher([odd], choice="required", parallel=False)
    assert 'a"b\\c/d' in models["chatml"].renderer.decode(matcher.forced())
