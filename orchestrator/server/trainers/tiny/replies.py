"""Answers in text: templates that restate tool results."""

from __future__ import annotations

import re
from typing import Any

from orchestrator.server.trainers.tiny.conversation import Prompt

FALLBACK = "I have no tool for this, and without one I can only repeat what I was trained to say."
SLOT = re.compile(r"\{\{([^{}]*)\}\}")


def template(text: str, prompt: Prompt) -> str:
    """A text with the values of the tool results in it replaced by their keys: "It is {{price}} dollars"."""
    for key, shown in sorted(_values(prompt).items(), key=lambda item: -len(item[1])):
        bounded = rf"(?<![\w.{{]){re.escape(shown)}(?![\w}}]|\.\d)"
        text = re.sub(bounded, lambda _, key=key: f"{{{{{key}}}}}", text)  # type: ignore[misc]
    return text


def filled(text: str, prompt: Prompt) -> str | None:
    """The text of a template; None if the present results lack one of its keys."""
    values = _values(prompt)
    if any(key not in values for key in SLOT.findall(text)):
        return None
    return SLOT.sub(lambda match: values[match.group(1)], text)


def restated(prompt: Prompt) -> str:
    """The tools' results, in plain words; the fallback if there are none."""
    said = []
    for result in prompt.results:
        listed = "; ".join(f"{key.replace('_', ' ')}: {_shown(value)}" for key, value in result.values)
        said.append(f"{result.name.replace('_', ' ')}: {listed or result.content or 'done'}.")
    return " ".join(said) or FALLBACK


def _values(prompt: Prompt) -> dict[str, str]:
    """The values of the tool results by key; the first one if a key occurs again."""
    found: dict[str, str] = {}
    for result in prompt.results:
        for key, value in result.values:
            if key not in found and _shown(value):
                found[key] = _shown(value)
    return {key: shown for key, shown in found.items() if len(shown) <= 200 and not re.search(r"[{}]", key)}


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
