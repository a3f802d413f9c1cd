"""FT3: tools and calls."""

from __future__ import annotations

import json

from orchestrator.dataset.rules.rule import (
    ANSWER,
    CALL,
    CLIMB,
    OR_CONVERT,
    PARAMETERS,
    RESULT,
    TOOL,
    USER,
    Piece,
    Rule,
    call,
    called,
    error,
    said,
    tool,
    warning,
)

_GOOD = called(CALL)
_CALLS = {"role": "assistant", "tool_calls": [CALL]}


def _with_tags(tags: Piece) -> Piece:
    properties = {**PARAMETERS["properties"], "tags": {"description": "Words to file it under.", **tags}}
    return {**PARAMETERS, "properties": properties}


TOOLS: tuple[Rule, ...] = (
    error(
        "FT301",
        "wrong tool definition",
        "{problem}",
        'Write {{"type": "function", "function": {{"name": "…", "description": "…", "parameters": {{…}}}}}}{more}',
        wrong=called(CALL, tools=[{"function": CLIMB}]),
        right=_GOOD,
    ),
    error(
        "FT302",
        "wrong function name",
        "in {count} place(s) the function's name is {found}, but must be 1 to 64 characters of a-z, A-Z, 0-9, _, -",
        "{advice}",
        wrong=called(call(name="climb to"), tools=[tool(name="climb to")]),
        right=called(call(name="climb_to"), tools=[tool(name="climb_to")]),
    ),
    error(
        "FT303",
        "too many tools",
        "the example declares {count} tools, but at most {limit} are allowed",
        "Leave out tools that this example does not need.",
    ),
    error(
        "FT304",
        "wrong parameters",
        "{problem}",
        'Write a JSON Schema such as {{"type": "object", "properties": {{…}}, "required": […]}}{more}',
        wrong=called(CALL, tools=[tool(parameters="altitude: integer")]),
        right=_GOOD,
    ),
    error(
        "FT305",
        "tool declared twice",
        "the function {name} is declared twice in this example",
        "Keep one of the definitions.",
        wrong=called(CALL, tools=[TOOL, TOOL]),
        right=called(CALL, tools=[TOOL, tool(name="descend")]),
    ),
    error(
        "FT306",
        "invalid schema",
        "the parameters are not a valid JSON Schema (draft 2020-12): {problem}",
        "Correct the schema, since no call can be checked against it{more}",
        wrong=called(
            CALL, tools=[tool(parameters={"type": "object", "properties": {"altitude": {"type": "int"}}})]
        ),
        right=called(
            CALL, tools=[tool(parameters={"type": "object", "properties": {"altitude": {"type": "integer"}}})]
        ),
    ),
    error(
        "FT307",
        "wrong parallel_tool_calls",
        'the key "parallel_tool_calls" must hold true or false; found {found}',
        "Write true or false, or leave it out.",
        wrong=said(USER, ANSWER, tools=[TOOL], parallel_tool_calls="no"),
        right=said(USER, ANSWER, tools=[TOOL], parallel_tool_calls=False),
    ),
    error(
        "FT311",
        "wrong tool call",
        "{problem}",
        'Write {{"id": "call_1", "type": "function", "function": {{"name": "…", "arguments": "{{…}}"}}}}{more}',
        wrong=called({**CALL, "type": "tool"}),
        right=_GOOD,
    ),
    error(
        "FT312",
        "tool call without id",
        "a tool call needs an id that is a non-empty string; found {found}",
        f'Add an id that is unique in this example, such as "call_1"{OR_CONVERT}',
        wrong=called({key: value for key, value in CALL.items() if key != "id"}),
        right=_GOOD,
    ),
    error(
        "FT313",
        "repeated tool call id",
        "the id {id} is already used by another tool call in this example",
        f"Give each tool call a unique id, and its result the same id{OR_CONVERT}",
        wrong=called(CALL, CALL),
        right=called(CALL, call("call_2")),
    ),
    error(
        "FT314",
        "arguments not a string",
        "the arguments must be a string that holds JSON; found {found}",
        f'Make it a string, "{{{{\\"name\\": \\"value\\"}}}}"{OR_CONVERT}',
        wrong=called(call(arguments={"altitude": 50})),
        right=_GOOD,
    ),
    error(
        "FT315",
        "arguments not JSON",
        "the string of arguments is not valid JSON: {problem}",
        "{advice}",
        wrong=called(call(arguments="{altitude: 50}")),
        right=_GOOD,
    ),
    error(
        "FT316",
        "arguments not an object",
        "the string of arguments must hold a JSON object; it holds {found}",
        "{advice}",
        wrong=called(call(arguments="[50]")),
        right=_GOOD,
    ),
    error(
        "FT317",
        "arguments encoded twice",
        "the string of arguments holds a JSON string that holds JSON: it was encoded twice",
        f"Encode the object once{OR_CONVERT}",
        wrong=called(call(arguments=json.dumps(json.dumps({"altitude": 50})))),
        right=_GOOD,
    ),
    error(
        "FT318",
        "call to an undeclared function",
        "the function {name} is called, but this example does not declare it",
        'Declare it in "tools", or correct the name.',
        wrong=called(call(name="ascend")),
        right=_GOOD,
    ),
    error(
        "FT319",
        "result without its call",
        "the tool_call_id is {found}, but no earlier assistant message makes a tool call with that id",
        "Give the message the id of the tool call that it answers, and put it after that call.",
        wrong=said(USER, RESULT, ANSWER, tools=[TOOL]),
        right=said(USER, _CALLS, RESULT, ANSWER, tools=[TOOL]),
    ),
    error(
        "FT320",
        "call on another role",
        "a message of role {role} makes a call, but only assistant messages may",
        "Move the call into an assistant message.",
        wrong=said({**USER, "tool_calls": [CALL]}, ANSWER, tools=[TOOL]),
        right=said(USER, ANSWER, tools=[TOOL]),
    ),
    error(
        "FT321",
        "call without its result",
        "the conversation continues, but no tool message answers the call {id}",
        'Put {{"role": "tool", "tool_call_id": "…", "content": "…"}} right after the calls, one for each.',
        wrong=said(USER, _CALLS, USER, ANSWER, tools=[TOOL]),
        right=said(USER, _CALLS, RESULT, USER, ANSWER, tools=[TOOL]),
    ),
    error(
        "FT322",
        "arguments break the schema",
        "{problem}",
        "Correct the arguments, or the parameters that {name} declares.",
        wrong=called(call(arguments='{"altitude": "fifty"}')),
        right=_GOOD,
    ),
    warning(
        "FT331",
        "calls without tools",
        "functions are called, but the example declares none",
        'Declare them in "tools", unless the model will be used without definitions too.',
        wrong=said(USER, _CALLS),
        right=_GOOD,
    ),
    warning(
        "FT332",
        "argument not declared",
        "the argument {argument} is not among the parameters of {name}: {known}",
        "Correct the argument's name, or declare it; the schema neither names nor forbids it.",
        wrong=called(call(arguments='{"altitude": 50, "speeed": 3}')),
        right=_GOOD,
    ),
    warning(
        "FT333",
        "schema that services refuse",
        "{count} definition(s) of {name} have a schema that OpenAI and Azure refuse, at {within}: {problem}",
        "Complete the schema in every row, and use the same one in production.",
        wrong=called(CALL, tools=[tool(parameters=_with_tags({"type": "array"}))]),
        right=called(CALL, tools=[tool(parameters=_with_tags({"type": "array", "items": {"type": "string"}}))]),
    ),
    warning(
        "FT334",
        "strict schema not strict",
        '{count} definition(s) of {name} have "strict": true, which services refuse with this schema, at {within}: '
        "{problem}",
        'Complete the schema, or remove "strict".',
        wrong=called(CALL, tools=[tool(strict=True)]),
        right=called(CALL, tools=[tool(strict=True, parameters={**PARAMETERS, "additionalProperties": False})]),
    ),
    warning(
        "FT335",
        "description too long",
        "{count} definition(s) of {name} have a description of {length} characters; OpenAI and Azure accept "
        "{limit}",
        "Shorten the description, or move part of it into the descriptions of the parameters.",
        wrong=called(CALL, tools=[tool(description="Climb. " * 150)]),
        right=called(CALL),
    ),
    warning(
        "FT336",
        "parallel_tool_calls without tools",
        '{count} example(s) have the key "parallel_tool_calls" and declare no tools, which OpenAI refuses in '
        "requests",
        "Remove the key, or declare the tools.",
        wrong=said(USER, ANSWER, parallel_tool_calls=False),
        right=said(USER, ANSWER),
    ),
    warning(
        "FT337",
        "forbidden parallel calls",
        '{count} answer(s) make several calls, though their examples have "parallel_tool_calls": false',
        "Write true, or split the calls into several answers: the model learns to make calls that requests forbid.",
        wrong=called(CALL, call("call_2"), parallel_tool_calls=False),
        right=called(CALL, call("call_2"), parallel_tool_calls=True),
    ),
)
