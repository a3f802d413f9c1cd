"""FT4: the training methods other than supervised."""

from __future__ import annotations

from orchestrator.dataset.kinds.kind import Kind, error

METHODS: tuple[Kind, ...] = (
    error(
        "FT401",
        "no input",
        'the key "input" must hold an object with "messages", but {found}',
        'Write {{"input": {{"messages": […]}}, "preferred_output": […], "non_preferred_output": […]}}.',
    ),
    error(
        "FT402",
        "no output",
        'the key "{key}" must hold a non-empty list of messages, but {found}',
        'Write "{key}": [{{"role": "assistant", "content": "…"}}].',
    ),
    error(
        "FT403",
        "wrong role in an output",
        "an output may only hold messages of role assistant and tool; found {found}",
        'Move the message into "input".',
    ),
    error(
        "FT411",
        "last message not from the user",
        "the last message is from {found}, but in reinforcement data must be from the user",
        "End the example with the prompt; what the grader needs goes into keys beside the messages.",
    ),
)
