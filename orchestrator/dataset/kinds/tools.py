"""FT3: tools and calls."""

from __future__ import annotations

from orchestrator.dataset.kinds.kind import Kind, error, warning

TOOLS: tuple[Kind, ...] = (
    error(
        "FT301",
        "wrong tool definition",
        "{problem}",
        'Write {{"type": "function", "function": {{"name": "…", "description": "…", "parameters": {{…}}}}}}.',
    ),
    error(
        "FT302",
        "wrong function name",
        "the function's name is {found}, but must be 1 to 64 characters of a-z, A-Z, 0-9, _ and -",
        "Rename the function, in its definition and in its calls.",
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
        'Write a JSON Schema such as {{"type": "object", "properties": {{…}}, "required": […]}}.',
    ),
    error(
        "FT305",
        "tool declared twice",
        "the function {name} is declared twice in this example",
        "Keep one of the definitions.",
    ),
    error(
        "FT311",
        "wrong tool call",
        "{problem}",
        'Write {{"id": "call_1", "type": "function", "function": {{"name": "…", "arguments": "{{…}}"}}}}.',
    ),
    error(
        "FT312",
        "tool call without id",
        "a tool call needs an id that is a non-empty string; found {found}",
        'Add an id that is unique in this example, such as "call_1".',
    ),
    error(
        "FT313",
        "repeated tool call id",
        "the id {id} is already used by another tool call of this example",
        "Give each tool call an id of its own, and its result the same one.",
    ),
    error(
        "FT314",
        "arguments not a string",
        "the arguments must be a string that holds JSON; found {found}",
        'Write the object as a JSON string: "{{\\"altitude\\": 50}}".',
    ),
    error(
        "FT315",
        "arguments not JSON",
        "the string of arguments is not valid JSON: {problem}",
        'Correct it; where the function takes no arguments, write "{{}}".',
    ),
    error(
        "FT316",
        "arguments not an object",
        "the string of arguments must hold a JSON object; it holds {found}",
        'Name each argument: "{{\\"altitude\\": 50}}".',
    ),
    error(
        "FT317",
        "arguments encoded twice",
        "the string of arguments holds a JSON string that holds JSON: it was encoded twice",
        "Encode the object once.",
    ),
    error(
        "FT318",
        "call to an undeclared function",
        "the function {name} is called, but this example does not declare it",
        'Declare it in "tools", or correct the name.',
    ),
    error(
        "FT319",
        "result without its call",
        "the tool_call_id is {found}, but no earlier assistant message makes a tool call with that id",
        "Give the message the id of the tool call that it answers, and put it behind that call.",
    ),
    error(
        "FT320",
        "call on another role",
        "a message of role {role} makes a call, but only assistant messages may",
        "Move the call into an assistant message.",
    ),
    warning(
        "FT331",
        "calls without tools",
        "functions are called, but the example declares none",
        'Declare them in "tools", unless the model will be used without definitions as well.',
    ),
)
