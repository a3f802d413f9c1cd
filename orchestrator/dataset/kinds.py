"""Every kind of finding in one table: its code, what it says, and how to put it right.

FT1 is the file and its lines, FT2 messages, FT3 tools and calls, FT4 the methods other than supervised, FT5 size.
A code is never reused. The `{fields}` of `reason` and `fix` are filled with the facts of the place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Kind:
    code: str
    severity: Severity
    title: str
    reason: str
    fix: str


def _error(code: str, title: str, reason: str, fix: str) -> Kind:
    return Kind(code, "error", title, reason, fix)


def _warning(code: str, title: str, reason: str, fix: str) -> Kind:
    return Kind(code, "warning", title, reason, fix)


_FILE = (
    _error("FT101", "empty file", "the file holds no example", "Write one JSON object on each line."),
    _error("FT102", "not UTF-8", "{problem}", "Save the file as UTF-8 text."),
    _error("FT103", "not JSON", "this is not valid JSON: {problem}", "{advice}"),
    _error(
        "FT104",
        "not one example on each line",
        "the file is {found}, but each line must hold one whole JSON object (JSONL)",
        "Write each example on a line of its own, without line breaks inside it and without commas between them.",
    ),
    _error("FT105", "not an object", "expected a JSON object, found {found}", 'Write {{"messages": […]}}.'),
    _error(
        "FT106",
        "too few examples",
        "Training file has {count} example(s), but must have at least {least} examples",
        "Add examples; 100 or more are advised.",
    ),
    _error("FT107", "nested too deeply", "the line is nested too deeply to be an example", "Flatten it."),
    _error(
        "FT108",
        "line too long",
        "the line is longer than {limit} MiB and was not read",
        "Split it, or give images by URL instead of inside the line.",
    ),
    _error(
        "FT109",
        "lone surrogate",
        "the text holds half of a surrogate pair ({found}), which no UTF-8 text can hold",
        "Replace it with the whole character; such halves come from cutting UTF-16 text.",
    ),
    _error(
        "FT110",
        "NUL character",
        "the text holds a NUL character, which services refuse",
        "Take the character U+0000 out.",
    ),
    _error(
        "FT111",
        "not a file of text",
        "the file looks like {found}, but must be JSONL: UTF-8 text with one JSON object on each line",
        "{advice}",
    ),
)

_MESSAGES = (
    _error(
        "FT201",
        "no messages",
        'the key "messages" must hold the list of messages, but {found}',
        'Write {{"messages": [{{"role": "user", "content": "…"}}, {{"role": "assistant", "content": "…"}}]}}.',
    ),
    _error("FT202", "empty messages", "the list of messages is empty", "Write at least one message."),
    _error("FT203", "not a message", "expected a message object, found {found}", "Write an object with a role."),
    _error(
        "FT204",
        "unknown role",
        "the role is {found}, but must be one of {expected}",
        "Give the message one of these roles.",
    ),
    _error(
        "FT205",
        "wrong type of content",
        "expected {expected}, found {found}",
        "Write the content as a string.",
    ),
    _error(
        "FT206",
        "no content",
        "a message of role {role} needs content{unless}",
        'Add the key "content" with the text.',
    ),
    _error(
        "FT207",
        "wrong content part",
        "{problem}",
        'Write {{"type": "text", "text": "…"}}; user messages may also hold '
        '{{"type": "image_url", "image_url": {{"url": "…"}}}}.',
    ),
    _error(
        "FT208",
        "no assistant message",
        "the example has no message from the assistant, so there is nothing to learn",
        "Add the answer that the model shall give.",
    ),
    _error(
        "FT209",
        "last message not from the assistant",
        "the last message is from {found}, but must be from the assistant",
        "End the example with the answer that the model shall give.",
    ),
    _error(
        "FT210",
        "wrong weight",
        "the weight is {found}, but must be 0 or 1",
        "Write 0 to leave the message out of the training, 1 to train on it.",
    ),
    _error(
        "FT211",
        "weight on another role",
        "a message of role {role} has a weight, but only assistant messages may",
        'Take the key "weight" out.',
    ),
    _error(
        "FT212",
        "wrong name",
        "{problem}",
        'Write the key "name" as a string, and always on messages of role function.',
    ),
    _error(
        "FT213",
        "special token",
        "the text holds the special token {token}, which services refuse",
        "Take it out, or write it in another way.",
    ),
    _error("FT214", "another format", "this looks like {found}", "{advice}"),
)

_TOOLS = (
    _error(
        "FT301",
        "wrong tool definition",
        "{problem}",
        'Write {{"type": "function", "function": {{"name": "…", "description": "…", "parameters": {{…}}}}}}.',
    ),
    _error(
        "FT302",
        "wrong function name",
        "the function's name is {found}, but must be 1 to 64 characters of a-z, A-Z, 0-9, _ and -",
        "Rename the function, in its definition and in its calls.",
    ),
    _error(
        "FT303",
        "too many tools",
        "the example declares {count} tools, but at most {limit} are allowed",
        "Leave out tools that this example does not need.",
    ),
    _error(
        "FT304",
        "wrong parameters",
        "{problem}",
        'Write a JSON Schema such as {{"type": "object", "properties": {{…}}, "required": […]}}.',
    ),
    _error(
        "FT305",
        "tool declared twice",
        "the function {name} is declared twice in this example",
        "Keep one of the definitions.",
    ),
    _error(
        "FT311",
        "wrong tool call",
        "{problem}",
        'Write {{"id": "call_1", "type": "function", "function": {{"name": "…", "arguments": "{{…}}"}}}}.',
    ),
    _error(
        "FT312",
        "tool call without id",
        "a tool call needs an id that is a non-empty string; found {found}",
        'Add an id that is unique in this example, such as "call_1".',
    ),
    _error(
        "FT313",
        "repeated tool call id",
        "the id {id} is already used by another tool call of this example",
        "Give each tool call an id of its own, and its result the same one.",
    ),
    _error(
        "FT314",
        "arguments not a string",
        "the arguments must be a string that holds JSON; found {found}",
        'Write the object as a JSON string: "{{\\"altitude\\": 50}}".',
    ),
    _error(
        "FT315",
        "arguments not JSON",
        "the string of arguments is not valid JSON: {problem}",
        'Correct it; where the function takes no arguments, write "{{}}".',
    ),
    _error(
        "FT316",
        "arguments not an object",
        "the string of arguments must hold a JSON object; it holds {found}",
        'Name each argument: "{{\\"altitude\\": 50}}".',
    ),
    _error(
        "FT317",
        "arguments encoded twice",
        "the string of arguments holds a JSON string that holds JSON: it was encoded twice",
        "Encode the object once.",
    ),
    _error(
        "FT318",
        "call to an undeclared function",
        "the function {name} is called, but this example does not declare it",
        'Declare it in "tools", or correct the name.',
    ),
    _error(
        "FT319",
        "result without its call",
        "the tool_call_id is {found}, but no earlier assistant message makes a tool call with that id",
        "Give the message the id of the tool call that it answers, and put it behind that call.",
    ),
    _error(
        "FT320",
        "call on another role",
        "a message of role {role} makes a call, but only assistant messages may",
        "Move the call into an assistant message.",
    ),
    _warning(
        "FT331",
        "calls without tools",
        "functions are called, but the example declares none",
        'Declare them in "tools", unless the model will be used without definitions as well.',
    ),
)

_METHODS = (
    _error(
        "FT401",
        "no input",
        'the key "input" must hold an object with "messages", but {found}',
        'Write {{"input": {{"messages": […]}}, "preferred_output": […], "non_preferred_output": […]}}.',
    ),
    _error(
        "FT402",
        "no output",
        'the key "{key}" must hold a non-empty list of messages, but {found}',
        'Write "{key}": [{{"role": "assistant", "content": "…"}}].',
    ),
    _error(
        "FT403",
        "wrong role in an output",
        "an output may only hold messages of role assistant and tool; found {found}",
        'Move the message into "input".',
    ),
    _error(
        "FT411",
        "last message not from the user",
        "the last message is from {found}, but in reinforcement data must be from the user",
        "End the example with the prompt; what the grader needs goes into keys beside the messages.",
    ),
)

_SIZE = (
    _error(
        "FT501",
        "longer than the context",
        "the example has about {tokens:,} tokens, but {model} trains on at most {limit:,}",
        "Shorten or split it.",
    ),
    _error(
        "FT502",
        "file too large",
        "the file has {size:,} bytes, but at most {limit:,} are accepted",
        "Split it, or leave examples out.",
    ),
)

KINDS: Mapping[str, Kind] = {kind.code: kind for kind in (*_FILE, *_MESSAGES, *_TOOLS, *_METHODS, *_SIZE)}
