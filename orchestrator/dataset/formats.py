"""The formats that `data convert` reads, each with two examples: one table for the command and the docs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

Shape = Literal[
    "tools",
    "functions",
    "dpo",
    "single-call",
    "sharegpt",
    "columns",
    "preference",
    "blocks",
    "responses",
    "gemini",
    "glaive",
    "chatml",
    "envelope",
]
SHAPES: tuple[Shape, ...] = get_args(Shape)
"""What `data convert --from` takes for rows: one shape may be that of several formats."""

_CITY = {"type": "object", "properties": {"city": {"type": "string", "description": "City."}}, "required": ["city"]}
_FUNCTION = {"name": "weather", "description": "Weather of a city.", "parameters": _CITY}
_TOOL = {"type": "function", "function": _FUNCTION}
_PYTHON = {**_FUNCTION, "parameters": {"city": {"type": "str", "description": "City."}}}
_API = {
    "name": "Weather",
    "api_name": "weather",
    "description": "Weather of a city.",
    "parameters": [{"name": "city", "type": "string", "description": "City."}],
}
_CITIES = ("Oslo", "Rome")


@dataclass(frozen=True)
class Format:
    """A format with the value of `--from` that reads it."""

    name: str
    shape: str
    title: str
    examples: tuple[str, str]
    """Two examples as lines of JSONL."""
    options: str = ""
    """What `data convert` has to be told beside the files."""


def _format(
    name: str, shape: str, title: str, row: Callable[[str], Mapping[str, Any]], options: str = ""
) -> Format:
    first, second = (json.dumps(row(city), ensure_ascii=False) for city in _CITIES)
    return Format(name, shape, title, (first, second), options)


def _said(role: str, text: Any) -> dict[str, Any]:
    return {"role": role, "content": text}


def _asked(city: str) -> dict[str, Any]:
    return _said("user", f"Weather in {city}?")


def _call(city: str) -> dict[str, Any]:
    return {"name": "weather", "arguments": {"city": city}}


def _call_text(city: str) -> str:
    return json.dumps(_call(city))


def _turn(speaker: str, text: str) -> dict[str, Any]:
    return {"from": speaker, "value": text}


def _tool_call(city: str) -> dict[str, Any]:
    function = {"name": "weather", "arguments": json.dumps({"city": city})}
    return {"id": "call_1", "type": "function", "function": function}


def _serialized(kind: str, **fields: Any) -> dict[str, Any]:
    return {
        "lc": 1,
        "type": "constructor",
        "id": ["langchain", "schema", "messages", f"{kind}Message"],
        "kwargs": fields,
    }


def _answered(city: str) -> list[dict[str, Any]]:
    return [_asked(city), {"role": "assistant", "tool_calls": [_tool_call(city)]}]


_HERMES = f"You call functions. Here are the available tools: <tools> {json.dumps([_TOOL])} </tools>"
_TOOLACE = f"Here is a list of functions in JSON format that you can invoke:\n{json.dumps([_FUNCTION])}"
_GLAIVE = f"SYSTEM: You have access to the following functions -\n{json.dumps(_FUNCTION)}"

FORMATS: tuple[Format, ...] = (
    _format(
        "openai", "tools", "OpenAI messages with tools", lambda c: {"messages": _answered(c), "tools": [_TOOL]}
    ),
    _format(
        "openai-functions",
        "functions",
        "OpenAI messages with the older functions",
        lambda c: {
            "messages": [_asked(c), {"role": "assistant", "function_call": _tool_call(c)["function"]}],
            "functions": [_FUNCTION],
        },
    ),
    _format(
        "openai-text",
        "tools",
        "OpenAI messages as JSON in a string",
        lambda c: {"messages": json.dumps(_answered(c)), "tools": json.dumps([_TOOL])},
    ),
    _format(
        "dpo",
        "dpo",
        "OpenAI preference data",
        lambda c: {
            "input": {"messages": [_asked(c)]},
            "preferred_output": [_said("assistant", f"Rain in {c}.")],
            "non_preferred_output": [_said("assistant", "No idea.")],
        },
    ),
    _format(
        "batch",
        "envelope",
        "Batch request files",
        lambda c: {
            "custom_id": c,
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {"model": "m", "messages": [*_answered(c)], "tools": [_TOOL]},
        },
    ),
    _format(
        "request-response",
        "envelope",
        "logged requests with their responses",
        lambda c: {
            "request": {"messages": [_asked(c)]},
            "response": {"choices": [{"message": _said("assistant", f"Rain in {c}.")}]},
        },
    ),
    _format(
        "messages-response",
        "envelope",
        "messages with the response beside them (LiteLLM)",
        lambda c: {
            "messages": [_asked(c)],
            "response": {"choices": [{"message": _said("assistant", f"Rain in {c}.")}]},
        },
    ),
    _format(
        "evals-item",
        "envelope",
        "items of OpenAI evals",
        lambda c: {"item": {"messages": [_asked(c), _said("assistant", f"Rain in {c}.")], "reference": c}},
    ),
    _format(
        "responses",
        "responses",
        "items of the Responses API",
        lambda c: {
            "instructions": "Be brief.",
            "input": [
                _asked(c),
                {"type": "function_call", "call_id": "call_1", **_tool_call(c)["function"]},
                {"type": "function_call_output", "call_id": "call_1", "output": "rain"},
                _said("assistant", [{"type": "output_text", "text": f"Rain in {c}."}]),
            ],
            "tools": [{"type": "function", **_FUNCTION}],
        },
    ),
    _format(
        "anthropic",
        "blocks",
        "Anthropic tool_use and tool_result",
        lambda c: {
            "system": "Be brief.",
            "messages": [
                _asked(c),
                _said("assistant", [{"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": c}}]),
                _said("user", [{"type": "tool_result", "tool_use_id": "t1", "content": "rain"}]),
                _said("assistant", f"Rain in {c}."),
            ],
            "tools": [{"name": "weather", "description": "Weather of a city.", "input_schema": _CITY}],
        },
    ),
    _format(
        "bedrock",
        "blocks",
        "Bedrock conversations",
        lambda c: {
            "schemaVersion": "bedrock-conversation-2024",
            "system": [{"text": "Be brief."}],
            "messages": [
                _said("user", [{"text": f"Weather in {c}?"}]),
                _said("assistant", [{"text": f"Rain in {c}."}]),
            ],
        },
    ),
    _format(
        "gemini",
        "gemini",
        "Gemini contents",
        lambda c: {
            "systemInstruction": {"parts": [{"text": "Be brief."}]},
            "contents": [
                {"role": "user", "parts": [{"text": f"Weather in {c}?"}]},
                {"role": "model", "parts": [{"functionCall": {"name": "weather", "args": {"city": c}}}]},
                {
                    "role": "user",
                    "parts": [{"functionResponse": {"name": "weather", "response": {"sky": "rain"}}}],
                },
                {"role": "model", "parts": [{"text": f"Rain in {c}."}]},
            ],
            "tools": [
                {
                    "functionDeclarations": [
                        {**_FUNCTION, "parameters": {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}}}
                    ]
                }
            ],
        },
    ),
    _format(
        "sharegpt",
        "sharegpt",
        "ShareGPT, LLaMA-Factory, axolotl",
        lambda c: {
            "conversations": [
                _turn("human", f"Weather in {c}?"),
                _turn("function_call", _call_text(c)),
                _turn("observation", "rain"),
                _turn("gpt", f"Rain in {c}."),
            ],
            "tools": json.dumps([_FUNCTION]),
        },
    ),
    _format(
        "hermes",
        "sharegpt",
        "Hermes: <tools> and <tool_call> as text",
        lambda c: {
            "conversations": [
                _turn("system", _HERMES),
                _turn("human", f"Weather in {c}?"),
                _turn("gpt", f"<tool_call>\n{_call_text(c)}\n</tool_call>"),
            ]
        },
    ),
    _format(
        "toolace",
        "sharegpt",
        "ToolACE: calls as [f(a=1)]",
        lambda c: {
            "system": _TOOLACE,
            "conversations": [_turn("user", f"Weather in {c}?"), _turn("assistant", f'[weather(city="{c}")]')],
        },
    ),
    _format(
        "xlam",
        "columns",
        "xLAM: query, answers, tools",
        lambda c: {
            "query": f"Weather in {c}?",
            "answers": json.dumps([_call(c)]),
            "tools": json.dumps([_PYTHON]),
        },
    ),
    _format(
        "glaive",
        "glaive",
        "Glaive: system and chat as text",
        lambda c: {
            "system": _GLAIVE,
            "chat": f"USER: Weather in {c}?\n\n\nASSISTANT: <functioncall> "
            f'{{"name": "weather", "arguments": \'{json.dumps({"city": c})}\'}} <|endoftext|>\n\n\n'
            f'FUNCTION RESPONSE: {{"sky": "rain"}}\n\n\nASSISTANT: Rain in {c}. <|endoftext|>',
        },
    ),
    _format(
        "bfcl",
        "columns",
        "BFCL questions, which hold no answers",
        lambda c: {"question": [[_asked(c)]], "function": [{**_FUNCTION, "parameters": {**_CITY, "type": "dict"}}]},
        options='--answer-call \'weather={"city": "Oslo"}\'',
    ),
    _format(
        "gorilla",
        "columns",
        "Gorilla: API documentation and Python calls",
        lambda c: {"Instruction": f"Weather in {c}?", "Functions": [_API], "Output": [f'weather(city="{c}")']},
    ),
    _format(
        "chatml",
        "chatml",
        "ChatML text",
        lambda c: {
            "text": f"<|im_start|>user\nWeather in {c}?<|im_end|>\n<|im_start|>assistant\nRain in {c}.<|im_end|>\n"
        },
    ),
    _format(
        "alpaca",
        "columns",
        "Alpaca: instruction, input, output",
        lambda c: {
            "instruction": "Name the country.",
            "input": c,
            "output": f"The country of {c}.",
            "system": "Be brief.",
        },
    ),
    _format(
        "prompt-completion",
        "columns",
        "prompt and completion as text",
        lambda c: {"prompt": f"Weather in {c}?", "completion": f" Rain in {c}.\n"},
    ),
    _format(
        "trl",
        "columns",
        "TRL: prompt and completion as messages",
        lambda c: {"prompt": [_asked(c)], "completion": [_said("assistant", f"Rain in {c}.")]},
    ),
    _format(
        "trl-preference",
        "preference",
        "TRL preference: chosen and rejected",
        lambda c: {
            "prompt": [_asked(c)],
            "chosen": [_said("assistant", f"Rain in {c}.")],
            "rejected": [_said("assistant", "No idea.")],
        },
    ),
    _format(
        "trl-unpaired",
        "columns",
        "TRL and KTO: an answer with a label",
        lambda c: {"prompt": f"Weather in {c}?", "completion": f"Rain in {c}.", "label": c == "Oslo"},
        options="--to supervised",
    ),
    _format(
        "orca-pairs",
        "preference",
        "Orca pairs: system, question, chosen, rejected",
        lambda c: {
            "system": "Be brief.",
            "question": f"Weather in {c}?",
            "chosen": f"Rain in {c}.",
            "rejected": "No idea.",
        },
    ),
    _format(
        "ms-swift",
        "preference",
        "ms-swift: messages and rejected_response",
        lambda c: {"messages": [_asked(c), _said("assistant", f"Rain in {c}.")], "rejected_response": "No idea."},
    ),
    _format(
        "langfuse",
        "columns",
        "Langfuse: input and output",
        lambda c: {"input": [_asked(c)], "output": _said("assistant", f"Rain in {c}.")},
    ),
    _format(
        "langsmith",
        "envelope",
        "LangSmith: inputs and outputs",
        lambda c: {"inputs": {"messages": [_asked(c)]}, "outputs": _said("assistant", f"Rain in {c}.")},
    ),
    _format(
        "langsmith-runs",
        "envelope",
        "LangSmith runs: LangChain's messages and generations",
        lambda c: {
            "inputs": {"messages": [[_serialized("Human", content=f"Weather in {c}?")]]},
            "outputs": {
                "generations": [
                    [
                        {
                            "text": "",
                            "message": _serialized(
                                "AI", content="", tool_calls=[{"name": "weather", "args": {"city": c}, "id": "c1"}]
                            ),
                        }
                    ]
                ]
            },
            "extra": {"invocation_params": {"tools": [_TOOL]}},
        },
    ),
    _format(
        "single-call",
        "single-call",
        "user and function_call, which some articles show",
        lambda c: {"user": _said("user", f"Weather in {c}?"), "function_call": _call(c), "functions": [_FUNCTION]},
    ),
)
