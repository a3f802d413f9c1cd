"""FT6: the file as a whole, and examples that appear in two files."""

from __future__ import annotations

from typing import Any

from orchestrator.dataset.rules.rule import (
    ANSWER,
    CALL,
    CLIMB,
    CONVERT_COMMAND,
    FUNCTION,
    TOOL,
    USER,
    Rule,
    asked,
    call,
    called,
    said,
    tool,
    warning,
)


def _lines(*rows: str) -> str:
    return "\n".join(rows)


def _say(prompt: str, *calls: Any, tools: Any = (TOOL,)) -> str:
    return said({"role": "user", "content": prompt}, {"role": "assistant", "tool_calls": calls}, tools=tools)


def _told(prompt: str, answer: str) -> str:
    return said({"role": "user", "content": prompt}, {"role": "assistant", "content": answer})


def _under(system: str, prompt: str) -> str:
    return said({"role": "system", "content": system}, {"role": "user", "content": prompt}, ANSWER)


def _light(mode: dict[str, Any], *required: str) -> Any:
    properties = {"mode": {"type": "string", "description": "What it does.", **mode}}
    parameters = {"type": "object", "properties": properties, "required": list(required)}
    return tool(name="light", description="Switch the light.", parameters=parameters)


_LEGACY = {"role": "assistant", "content": None, "function_call": FUNCTION}
_DESCEND = tool(name="descend", description="Go down to an altitude.")
_REJECT = tool(name="reject", description="Say that nothing here fits the request.")
_ON = call(name="light", arguments='{"mode": "on"}')
_OFF = call("call_2", name="light", arguments='{"mode": "off"}')
_ANY = call("call_2", name="light", arguments="{}")
_MODES = (_light({"enum": ["on", "off"]}, "mode"),)
_OPTIONAL = (_light({}),)

SURVEY: tuple[Rule, ...] = (
    warning(
        "FT601",
        "few examples",
        "the file has {count} usable example(s); {advised} or more are advised for training",
        "Add examples, especially of requests that the model gets wrong.",
    ),
    warning(
        "FT602",
        "repeated examples",
        "{count} line(s) repeat an earlier example, including its answer: {where}",
        "Keep one line of each, unless they should count more than others in training.",
        wrong=_lines(asked("Is it windy?"), asked("Is it windy?")),
        right=_lines(asked("Is it windy?"), asked("Is it raining?")),
    ),
    warning(
        "FT603",
        "near-duplicate prompts",
        "{count} line(s) nearly repeat an earlier prompt (four fifths of the words or more) and {same}: {where}",
        "Keep one of each, or vary the wording: a model learns little from near-duplicates.",
        wrong=_lines(_say("Climb up to 50 metres now", CALL), _say("climb up, now, to 50 metres!", CALL)),
        right=_lines(_say("Climb up to 50 metres now", CALL), _say("Half a hundred metres up, go", CALL)),
    ),
    warning(
        "FT604",
        "contradicting examples",
        "{count} prompt(s) are answered with different calls, though the tools are the same: {where}",
        "Decide which answer is right and correct the others; a model learns none of them well.",
        wrong=_lines(_say("Climb a bit", CALL), _say("Climb a bit", call(arguments='{"altitude": 5}'))),
        right=_lines(_say("Climb a bit", CALL), _say("Climb to 5 m", call(arguments='{"altitude": 5}'))),
    ),
    warning(
        "FT605",
        "several texts for one prompt",
        "{count} prompt(s) {differ}: {where}",
        "If only one answer is right, keep that one; several are fine if any will do.",
        wrong=_lines(_told("Is it windy?", "Yes."), _told("Is it windy?", "No.")),
        right=_lines(_told("Is it windy?", "Yes."), _told("Is it raining?", "No.")),
    ),
    warning(
        "FT606",
        "leaked examples",
        "{count} of {of} example(s) also appear in {other}: {where}",
        "Remove them from one of the files: on its training data a model looks better than it is.",
    ),
    warning(
        "FT607",
        "nearly leaked examples",
        "{count} of {of} example(s) nearly repeat a prompt of {other}, {same}: {where}",
        "Remove them from one of the files; ftorch data split keeps such prompts together.",
    ),
    warning(
        "FT611",
        "tool defined differently",
        "{count} function(s) have more than one definition in this file: {where}",
        "Give the tool one definition, the one it will have in production.",
        wrong=_lines(_say("Climb a bit", CALL), _say("Up!", CALL, tools=[tool(description="Go up.")])),
        right=_lines(_say("Climb a bit", CALL), _say("Up!", CALL)),
    ),
    warning(
        "FT612",
        "tools never called",
        "{count} of {of} function(s) are declared and never called: {where}",
        "Add examples that call them, or leave them out of the definitions; ftorch data stats shows all functions.",
        wrong=_lines(*(_say(text, CALL, tools=[TOOL, _DESCEND]) for text in ("Climb a bit", "Up!"))),
        right=_lines(
            _say("Climb a bit", CALL, tools=[TOOL, _DESCEND]),
            _say("Down!", call(name="descend"), tools=[TOOL, _DESCEND]),
        ),
    ),
    warning(
        "FT613",
        "enum values never shown",
        "some values of {count} parameter(s) appear in no call: {where}",
        "Add an example for each value; ftorch data stats shows how often each argument is given.",
        wrong=_lines(*(_say(text, _ON, tools=_MODES) for text in ("Light on", "Let there be light"))),
        right=_lines(_say("Light on", _ON, tools=_MODES), _say("Light off", _OFF, tools=_MODES)),
    ),
    warning(
        "FT614",
        "ways to call never shown",
        "{count} combination(s) of optional parameters are never shown: {where}",
        "Add an example for each useful one: a model always gives a parameter that it never saw left out.",
        wrong=_lines(*(_say(text, _ON, tools=_OPTIONAL) for text in ("Light on", "Let there be light"))),
        right=_lines(_say("Light on", _ON, tools=_OPTIONAL), _say("Switch it", _ANY, tools=_OPTIONAL)),
    ),
    warning(
        "FT615",
        "descriptions missing",
        "{count} of {of} functions and parameters have no description, though others have: {where}",
        "Describe them too, or shorten all definitions: ftorch data shorten.",
        wrong=called(CALL, tools=[{"type": "function", "function": {**CLIMB, "description": ""}}]),
        right=called(CALL),
    ),
    warning(
        "FT616",
        "legacy functions",
        "{count} example(s) use functions and function_call, which tools and tool_calls have replaced: {where}",
        f"Let ftorch rewrite it: {CONVERT_COMMAND}",
        wrong=said(USER, _LEGACY, functions=[CLIMB]),
        right=called(CALL),
    ),
    warning(
        "FT617",
        "similar tools",
        "{count} function(s) differ only in their names: {where}",
        "Say in each description when to call this function and not the other, or keep one of them.",
        wrong=called(CALL, tools=[TOOL, tool(name="rise")]),
        right=called(CALL, tools=[TOOL, tool(name="rise", description="Climb to an altitude, then hover.")]),
    ),
    warning(
        "FT621",
        "no rejections",
        "{count} example(s) call functions, and none shows what to answer when no function fits",
        "Add requests that the tools can't fulfil, answered in text or by a tool such as reject_request.",
        wrong=called(CALL),
        right=_lines(called(CALL), _say("Make coffee", call(name="reject"), tools=[TOOL, _REJECT])),
    ),
    warning(
        "FT622",
        "uneven examples",
        "{usual} is the answer of {most} of {examples} examples, twenty times more often than: {rare}",
        "Add examples of the rare ones, or leave out some of the frequent one.",
    ),
    warning(
        "FT623",
        "system prompt varies",
        "there are {count} different system prompts: {usual} ({share}), {other} ({other_share})",
        "On every line, use the one that the model will get in production.",
        wrong=_lines(*(_under("You fly.", text) for text in "abc"), _under("You swim.", "d")),
        right=_lines(*(_under("You fly.", text) for text in "abcd")),
    ),
    warning(
        "FT624",
        "nothing trained on",
        "{count} example(s) have weight 0 on every answer, so nothing is learned from them: {where}",
        "Give the answer to learn weight 1, or leave the key out.",
        wrong=asked("Is it windy?", weight=0),
        right=asked("Is it windy?", weight=1),
    ),
    warning(
        "FT625",
        "answer cut off",
        "{count} answer(s) {problem}, like a text that was cut off: {where}",
        "Complete the answers, or leave the examples out.",
        wrong=_told("How do I loop?", "```python\nfor i in range(3):"),
        right=_told("How do I loop?", "```python\nfor i in range(3):\n    print(i)\n```"),
    ),
    warning(
        "FT626",
        "template requests",
        "{count} request(s) come from a template, as their name says: {where}",
        "Have them written by a teacher (ftorch data generate --model NAME) or by people, then remove the name: "
        "a model learns little from requests that are all alike.",
        wrong=said({**USER, "name": "template"}, ANSWER),
        right=said(USER, ANSWER),
    ),
    warning(
        "FT631",
        "secret",
        "the text contains what looks like {kind} ({start}…): {where}",
        "Revoke it, and replace it with an invented one: a trained model can reveal it.",
        wrong=asked("My key is AKIAIOSFODNN7EXAMPLE"),
        right=asked("My key is in the safe"),
    ),
    warning(
        "FT632",
        "e-mail address",
        "the text contains e-mail addresses ({start}): {where}",
        "Replace addresses of real people with invented ones, such as ann@example.com.",
        wrong=asked("Write to ann@flyers.io"),
        right=asked("Write to ann@example.com"),
    ),
)
