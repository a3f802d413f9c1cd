"""FT4: the training methods other than supervised."""

from __future__ import annotations

from orchestrator.dataset.kinds.kind import Kind, error, warning
from orchestrator.dataset.kinds.samples import ANSWER, USER, preference, said

_GOOD = preference()

METHODS: tuple[Kind, ...] = (
    error(
        "FT401",
        "no input",
        'the key "input" must hold an object with "messages", but {found}',
        'Write {{"input": {{"messages": […]}}, "preferred_output": […], "non_preferred_output": […]}}.',
        wrong=preference(input="Climb to 50 m."),
        right=_GOOD,
    ),
    error(
        "FT402",
        "no output",
        'the key "{key}" must hold a non-empty list of messages, but {found}',
        'Write "{key}": [{{"role": "assistant", "content": "…"}}].',
        wrong=preference(non_preferred_output=[]),
        right=_GOOD,
    ),
    error(
        "FT403",
        "wrong role in an output",
        "an output may only hold messages of role assistant and tool; found {found}",
        'Move the message into "input".',
        wrong=preference(preferred_output=[USER, ANSWER]),
        right=preference(preferred_output=[ANSWER]),
    ),
    warning(
        "FT404",
        "both outputs alike",
        "the preferred and the other output are the same, so there is nothing to prefer",
        "Write two different outputs, or leave the example out.",
        wrong=preference(preferred_output=[ANSWER], non_preferred_output=[ANSWER]),
        right=preference(preferred_output=[ANSWER]),
    ),
    error(
        "FT411",
        "last message not from the user",
        "the last message is from {found}, but in reinforcement data must be from the user",
        "End the example with the prompt; what the grader needs goes into keys beside the messages.",
        wrong=said(USER, ANSWER, altitude=50),
        right=said(USER, altitude=50),
    ),
)
