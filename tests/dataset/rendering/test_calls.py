"""Answers in every format: calls are read, mistakes of the model are told apart from ours."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.dataset.rendering.calls import FAMILIES, Parsed, parse_answer
from orchestrator.errors import ParserFailed


def tool(name: str, **kinds: Any) -> dict[str, Any]:
    properties = {key: kind if isinstance(kind, dict) else {"type": kind} for key, kind in kinds.items()}
    return {
        "type": "function",
        "function": {"name": name, "parameters": {"type": "object", "properties": properties}},
    }


TOOLS = [tool("land", place="string", speed="number", soft="boolean", path="array", how="object"), tool("hover")]
ARGUMENTS = {"place": "a b", "speed": 2.5, "soft": True, "path": [1, "x"], "how": {"deep": None}}
NOTHING: dict[str, Any] = {}
LAND, HOVER = ("land", ARGUMENTS), ("hover", NOTHING)

JSON = '{"place": "a b", "speed": 2.5, "soft": true, "path": [1, "x"], "how": {"deep": null}}'
TAGGED = {"place": "a b", "speed": "2.5", "soft": "True", "path": '[1, "x"]', "how": '{"deep": null}'}


def qwen(name: str, **values: str) -> str:
    parameters = "".join(f"<parameter={key}>\n{value}\n</parameter>\n" for key, value in values.items())
    return f"<tool_call>\n<function={name}>\n{parameters}</function>\n</tool_call>"


def glm(name: str, **values: str) -> str:
    parameters = "".join(
        f"<arg_key>{key}</arg_key>\n<arg_value>{value}</arg_value>\n" for key, value in values.items()
    )
    return f"<tool_call>{name}\n{parameters}</tool_call>"


def atem(name: str, **values: str) -> str:
    parameters = "".join(
        f'<atem:parameter name="{key}">{value}</atem:parameter>\n' for key, value in values.items()
    )
    call = f'<atem:function_calls>\n<atem:invoke name="{name}">\n{parameters}</atem:invoke>\n</atem:function_calls>'
    return f" to={name}<|message|>{call}"


def deepseek(*calls: tuple[str, str], fenced: bool) -> str:
    each = (
        f"function<｜tool▁sep｜>{name}\n```json\n{arguments}\n```" if fenced else f"{name}<｜tool▁sep｜>{arguments}"
        for name, arguments in calls
    )
    body = "\n".join(f"<｜tool▁call▁begin｜>{call}<｜tool▁call▁end｜>" for call in each)
    return f"<｜tool▁calls▁begin｜>{body}<｜tool▁calls▁end｜>"


PYTHON = "land(place='a b', speed=2.5, soft=True, path=[1, 'x'], how={\"deep\": null})"
GEMMA = '{how:{deep:null},path:[1,<|"|>x<|"|>],place:<|"|>a b<|"|>,soft:true,speed:2.5}'

BOTH = [
    (
        "hermes",
        f'<tool_call>\n{{"name": "land", "arguments": {JSON}}}\n</tool_call>\n'
        '<tool_call>\n{"name": "hover", "arguments": {}}\n</tool_call>',
    ),
    ("qwen3_coder", f"{qwen('land', **TAGGED)}\n{qwen('hover')}"),
    ("glm", f"{glm('land', **TAGGED)}\n{glm('hover')}"),
    ("llama3", f'{{"name": "land", "parameters": {JSON}}}; {{"name": "hover", "parameters": {{}}}}'),
    (
        "llama3",
        f'<|python_tag|>{{"type": "function", "name": "land", "parameters": {JSON}}}\n'
        '{"name": "hover", "parameters": {}}',
    ),
    (
        "mistral",
        f'[TOOL_CALLS] [{{"name": "land", "arguments": {JSON}, "id": "abcdefghi"}}, '
        '{"name": "hover", "arguments": {}, "id": "abcdefghj"}]',
    ),
    ("mistral", f"[TOOL_CALLS]land[ARGS]{JSON}[TOOL_CALLS]hover[ARGS]{{}}"),
    ("deepseek", deepseek(("land", JSON), ("hover", "{}"), fenced=True)),
    ("deepseek", deepseek(("land", JSON), ("hover", "{}"), fenced=False)),
    (
        "harmony",
        f" to=functions.land<|channel|>commentary json<|message|>{JSON}<|call|>"
        "<|start|>assistant to=functions.hover<|channel|>commentary json<|message|>{}",
    ),
    ("gemma4", f"<|tool_call>call:land{GEMMA}<tool_call|><|tool_call>call:hover{{}}<tool_call|><|tool_response>"),
    ("lfm2", f"<|tool_call_start|>[{PYTHON}, hover()]<|tool_call_end|>"),
    ("atem", f"{atem('land', **TAGGED)}<|eom|><|start|>assistant{atem('hover')}"),
]


@pytest.mark.parametrize(("family", "text"), BOTH)
def test_calls_are_read_with_their_arguments(family: str, text: str) -> None:
    parsed = parse_answer(text, family, TOOLS)
    assert parsed == Parsed(None, (LAND, HOVER))
    assert type(parsed.calls[0][1]["soft"]) is bool


def test_every_family_has_an_example() -> None:
    assert {family for family, _ in BOTH} == FAMILIES.keys()


BEFORE = ["hermes", "qwen3_coder", "glm", "mistral", "deepseek", "gemma4", "lfm2"]


@pytest.mark.parametrize(("family", "text"), [each for each in BOTH if each[0] in BEFORE])
def test_text_before_calls_is_content_and_thoughts_are_not(family: str, text: str) -> None:
    spoken = f"<think>\nhm\n</think>\n\nI land now.\n{text}"
    assert parse_answer(spoken, family, TOOLS) == Parsed("I land now.", (LAND, HOVER), thought="hm")
    assert parse_answer(f"hm\n</think>\n\n{text}", family, TOOLS).thought == "hm", "opened by the prompt"


@pytest.mark.parametrize(
    ("family", "text", "content", "thought"),
    [
        (
            "harmony",
            "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Hi",
            "Hi",
            "Hm.",
        ),
        ("harmony", "<|channel|>final<|message|>Hi", "Hi", ""),
        ("atem", " to=self<|message|>Hm.<|eom|><|start|>assistant to=user<|message|>Hi", "Hi", "Hm."),
        ("gemma4", "<|channel>thought\nHm.\n<channel|>Hi", "Hi", "Hm."),
        (None, "<think></think>\nHi", "Hi", ""),
        (None, "Hi<|END_RESPONSE|>", "Hi", ""),
    ],
)
def test_channels_are_told_apart(family: str | None, text: str, content: str, thought: str) -> None:
    assert parse_answer(text, family, TOOLS) == Parsed(content, thought=thought)


@pytest.mark.parametrize("family", [None, *FAMILIES])
@pytest.mark.parametrize(
    "text", ["Good day.", "  {a} [b] <c> \n", '{"name": "Ann", "age": 3}', "use <tag> and 1 < 2", "x = f(a=1)"]
)
def test_what_is_no_call_is_content(family: str | None, text: str) -> None:
    assert parse_answer(text, family, TOOLS) == Parsed(text.strip())
    assert parse_answer(" ", family, TOOLS) == Parsed(None)


@pytest.mark.parametrize(
    ("family", "text", "problem"),
    [
        (
            "hermes",
            '<tool_call>\n{"name": "land", "arguments": {"place": "a',
            "a call is not JSON: Unterminated string",
        ),
        ("hermes", '<tool_call>\n{"name": "land"}\n</tool_call>', "the arguments of land are missing"),
        (
            "hermes",
            '<tool_call>{"name": "land", "arguments": "{}"}</tool_call>',
            "arguments of land are not a JSON obj",
        ),
        ("hermes", '<tool_call>{"arguments": {}}</tool_call>', "a call has no name"),
        ("hermes", "<tool_call>[]</tool_call>", "a call is not a JSON object"),
        ("hermes", '<tool_call>{"name": "land", "arguments": {"a": NaN}}</tool_call>', "NaN is no JSON value"),
        ("hermes", '<tool_call>{"name": "land", "arguments": {}} and more</tool_call>', "goes on behind its JSON"),
        ("hermes", "<tool_call>land()</tool_call>", "a call is not JSON"),
        ("qwen3_coder", "<tool_call>\n<function=land>\n<parameter=place>\na", "a call has no end"),
        (
            "qwen3_coder",
            qwen("land", place="a").replace("</function>", qwen("x") + "</function>"),
            "a call has no end",
        ),
        ("glm", "<tool_call>land\n<arg_key>place</arg_key>", "a call has no end"),
        ("glm", glm("land", place="a").replace("</tool_call>", glm("", place="b")[10:]), "gives place twice"),
        ("glm", glm(""), "a call has no name"),
        ("llama3", '{"name": "land", "parameters": {"place": "a"', "a call is not JSON"),
        ("llama3", '{"name": "land", "parameters": {}} trailing', "a call is not JSON"),
        ("mistral", '[TOOL_CALLS] [{"name": "land"', "the list of calls is not JSON"),
        ("mistral", "[TOOL_CALLS] {}", "the calls are not a list"),
        ("mistral", '[TOOL_CALLS]land[ARGS]{"a": ', "the arguments of land are not JSON"),
        ("deepseek", "<｜tool▁calls▁begin｜>land", "the calls are empty"),
        ("deepseek", deepseek(("land", "{a"), fenced=True), "the arguments of land are not JSON"),
        (
            "harmony",
            " to=functions.land<|channel|>commentary json<|message|>{",
            "the arguments of land are not JSON",
        ),
        ("gemma4", '<|tool_call>call:land{place:<|"|>a', "a string has no end"),
        ("gemma4", "<|tool_call>call:land{place:}<tool_call|>", "a value is missing"),
        ("gemma4", "<|tool_call>call:land{place:a b}<tool_call|>", "a is no value"),
        ("gemma4", "<|tool_call>call:land{:1}<tool_call|>", "an argument has no name"),
        ("gemma4", "<|tool_call>call:land{a:1 b:2}<tool_call|>", "a value is not followed by , or }"),
        ("gemma4", "<|tool_call>call:land{a:1}x<tool_call|>", "the arguments are not one object"),
        ("lfm2", "<|tool_call_start|>[land(place='a<|tool_call_end|>", "not written as in Python"),
        ("lfm2", "<|tool_call_start|>[land('a')]<|tool_call_end|>", "does not name each of its arguments"),
        ("lfm2", "<|tool_call_start|>[land(place=f(1))]<|tool_call_end|>", "an argument is not a plain value"),
        ("lfm2", "<|tool_call_start|>land()<|tool_call_end|>", "the calls are not a list"),
        ("atem", ' to=land<|message|><atem:invoke name="land">', "a call has no end"),
    ],
)
def test_a_broken_call_is_content_with_its_problem(family: str, text: str, problem: str) -> None:
    parsed = parse_answer(text, family, TOOLS)
    assert parsed.content == text.strip()
    assert parsed.calls == ()
    assert problem in (parsed.problem or "")


@pytest.mark.parametrize(
    ("family", "text", "reason"),
    [
        (
            "hermes",
            '<tool_call>{"name": "land", "arguments": {"a": ' + "9" * 5_000 + "}}</tool_call>",
            "ValueError",
        ),
        ("hermes", '<tool_call>{"name": "land", "arguments": {"a": ' + "[" * 90_000, "RecursionError"),
        (
            "hermes",
            qwen("land", place="a"),
            "it is written in the format qwen3_coder, and the template's format is hermes",
        ),
        ("llama3", f'<tool_call>\n{{"name": "land", "arguments": {JSON}}}\n</tool_call>', "in the format hermes"),
        ("qwen3_coder", "[TOOL_CALLS] []", "in the format mistral"),
        ("hermes", "<|tool_call_start|>[land()]<|tool_call_end|>", "in the format lfm2"),
    ],
)
def test_a_call_that_we_fail_to_read_is_not_blamed_on_the_model(family: str, text: str, reason: str) -> None:
    with pytest.raises(ParserFailed, match="this is no mistake of the model") as failed:
        parse_answer(text, family, TOOLS)
    assert reason in failed.value.facts["reason"]


# --- Types of arguments that are written without quotes ----------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        ("string", "5", "5"),
        ("string", "true", "true"),
        ("string", " kept ", " kept "),
        ("string", "two\nlines", "two\nlines"),
        ("integer", "5", 5),
        ("integer", "five", "five"),
        ("number", "-1e-3", -0.001),
        ("boolean", "True", True),
        ("boolean", "false", False),
        ("array", "[1, 2]", [1, 2]),
        ("array", "['a', None]", ["a", None]),
        ("object", '{"a": {}}', {"a": {}}),
        ("integer", "true", "true"),
        ({"type": ["string", "null"]}, "null", None),
        ({"type": ["string", "null"]}, "none", "none"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "5", 5),
        ({"anyOf": [{"type": "string"}]}, "5", "5"),
        ({"enum": ["1", "2"]}, "1", "1"),
        ({"enum": [1, 2]}, "1", 1),
        ({}, "5", 5),
        ({}, "text", "text"),
    ],
)
def test_the_schema_gives_the_type(schema: Any, text: str, value: Any) -> None:
    tools = [tool("land", place=schema)]
    for written in (qwen("land", place=text), glm("land", place=text)):
        family = "glm" if "arg_key" in written else "qwen3_coder"
        [(_, arguments)] = parse_answer(written, family, tools).calls
        assert arguments == {"place": value}
        assert type(arguments["place"]) is type(value)


def test_function_objects_serve_as_tools_too() -> None:
    [(_, arguments)] = parse_answer(qwen("land", place="5"), "qwen3_coder", [TOOLS[0]["function"]]).calls
    assert arguments == {"place": "5"}
    [(_, arguments)] = parse_answer(qwen("land", place="5"), "qwen3_coder", None).calls
    assert arguments == {"place": 5}


def test_tags_inside_json_strings_end_nothing() -> None:
    text = '<tool_call>{"name": "land", "arguments": {"place": "</tool_call><tool_call>"}}</tool_call>'
    assert parse_answer(text, "hermes", TOOLS).calls == (("land", {"place": "</tool_call><tool_call>"}),)
