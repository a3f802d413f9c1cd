"""FT9: what the chat template and the tokenizer of an open-weights model make of an example."""

from __future__ import annotations

from orchestrator.dataset.rules.rule import Rule, asked, error, warning

RENDERING: tuple[Rule, ...] = (
    error(
        "FT901",
        "not rendered",
        "the chat template of {model} can't render the example: {reason}",
        "{advice}",
    ),
    error(
        "FT902",
        "lost by the template",
        "the chat template of {model} does not keep the whole example: {reason}",
        "Give the model a template that writes it, as chat_template.jinja in its folder, or choose another model.",
    ),
    error(
        "FT903",
        "nothing learned",
        "no token of the example is learned: every answer has weight 0",
        "Give the answer to learn weight 1, or leave the example out.",
        wrong=asked("Is it windy?", weight=0),
        right=asked("Is it windy?", weight=1),
    ),
    warning(
        "FT904",
        "control token in a text",
        "{count} text(s) hold {token}, a control token of {model}; here it is read as plain text",
        "Leave it out, unless users write it too.",
        wrong=asked("What does </s> mean?"),
        right=asked("How does a message end?"),
    ),
    warning(
        "FT905",
        "model not tried",
        "the examples were not rendered for {model}, and their tokens are an estimate: tokenizers is not installed",
        "Install it: {command}",
    ),
)
