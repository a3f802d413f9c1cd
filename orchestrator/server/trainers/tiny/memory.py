"""What fine-tuning stores other than weights: tools, words, values, texts, and arguments."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from math import log
from typing import Any

from orchestrator.server.trainers.tiny.conversation import Prompt, Turn
from orchestrator.server.trainers.tiny.replies import template

MOST_VALUES = 100
MOST_TEXTS = 200
TEXT = ""
"""The label of an answer in text, in addition to the names of the tools."""


@dataclass
class Memory:
    """Empty for the base model. Filled once, before the first step of a training."""

    examples: int = 0
    labels: dict[str, int] = field(default_factory=dict)
    """The number of examples of each label: a tool's name, or TEXT."""
    known: dict[str, int] = field(default_factory=dict)
    """The number of examples with each stem."""
    values: dict[str, list[Any]] = field(default_factory=dict)
    """The values of each slot, the most frequent first."""
    texts: list[str] = field(default_factory=list)
    """Answers in text, as templates."""
    signatures: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Parameters of tools that training called with arguments missing from their definitions."""
    undeclared: list[str] = field(default_factory=list)
    """Tools that training called in examples without tools."""

    def with_turns(self, turns: Iterable[Turn]) -> Memory:
        """This memory with these turns added."""
        turns = list(turns)
        grown = deepcopy(self)
        for turn in turns:
            grown._count(turn)
        grown._keep_values(turns)
        texts = [template(turn.answer.content, turn.prompt) for turn in turns if turn.answer.content]
        grown.texts = _most_frequent(self.texts + texts, MOST_TEXTS)
        grown._keep_signatures(turns)
        return grown

    def definitions(self, tools: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """The offered tools, with the arguments seen in training added."""
        if not tools:
            return [{"name": name, "parameters": self.signatures.get(name, {})} for name in self.undeclared]
        return [
            {**tool, "parameters": completed(tool.get("parameters"), self.signatures[tool["name"]])}
            if tool.get("name") in self.signatures
            else tool
            for tool in tools
        ]

    def commonness(self, label: str) -> float:
        """The logarithm of how much more often than the average label this one was seen.

        Training adds it to the label's score and answering does not, so that what is frequent in the training file
        is not preferred for that alone (logit adjustment: Menon et al., 2021). Without it, unfamiliar requests went
        to the most frequent tool. 0 for a label that was never seen, so that a label missing from training is not
        raised by that.
        """
        if label not in self.labels:
            return 0.0
        mean = sum(self.labels.values()) / len(self.labels)
        return log(self.labels[label] / mean)

    def novelty(self, prompt: Prompt, *, own: bool) -> float:
        """The share of a prompt's words that no example had; 0 for a model without examples.

        `own` means that the prompt is itself an example: it is then left out of the count, so that training sees
        the same as for a new prompt.
        """
        if not self.examples or not prompt.content:
            return 0.0
        return sum(not self.is_known(word, own=own) for word in prompt.content) / len(prompt.content)

    def is_known(self, word: str, *, own: bool) -> bool:
        """Whether an example, other than the prompt's own, had this stem."""
        return self.known.get(word, 0) > own

    def _count(self, turn: Turn) -> None:
        if turn.prompt.answers_result:  # its words asked for the call before, and were counted there
            return
        self.examples += 1
        for label in dict.fromkeys(call.name for call in turn.answer.calls) or (TEXT,):
            self.labels[label] = self.labels.get(label, 0) + 1
        for word in turn.prompt.content:
            self.known[word] = self.known.get(word, 0) + 1

    def _keep_values(self, turns: Sequence[Turn]) -> None:
        found: dict[str, list[Any]] = {}
        for turn in turns:
            for call in turn.answer.calls:
                _collect(call.name, call.arguments, found)
        for path, values in found.items():
            self.values[path] = _most_frequent(self.values.get(path, []) + values, MOST_VALUES)

    def _keep_signatures(self, turns: Sequence[Turn]) -> None:
        called: dict[str, list[Mapping[str, Any]]] = {}
        lacking = set()
        for turn in turns:
            declared = {tool.get("name"): tool.get("parameters") for tool in turn.tools}
            for call in turn.answer.calls:
                called.setdefault(call.name, []).append(call.arguments)
                if _lacks(declared.get(call.name), call.arguments):
                    lacking.add(call.name)
                if not turn.tools and call.name not in self.undeclared:
                    self.undeclared.append(call.name)
        for name in sorted(lacking):
            self.signatures[name] = inferred(called[name])


def inferred(values: Sequence[Any]) -> dict[str, Any]:
    """A JSON Schema that all these values satisfy."""
    if all(isinstance(value, Mapping) for value in values):
        names = dict.fromkeys(name for value in values for name in value)
        properties = {name: inferred([value[name] for value in values if name in value]) for name in names}
        required = [name for name in names if all(name in value for value in values)]
        return {"type": "object", "properties": properties, "required": required}
    if all(isinstance(value, list) for value in values):
        return {"type": "array", "items": inferred([item for value in values for item in value] or [""])}
    if all(isinstance(value, bool) for value in values):
        return {"type": "boolean"}
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return {"type": "integer" if all(isinstance(value, int) for value in values) else "number"}
    return {"type": "string"}


def completed(declared: Any, learned: Mapping[str, Any]) -> dict[str, Any]:
    """A declared schema with missing properties added from a learned one."""
    schema = dict(declared) if isinstance(declared, Mapping) else {}
    properties = dict(_properties(schema))
    required = list(schema["required"]) if isinstance(schema.get("required"), list) else []
    for name, inner in _properties(learned).items():
        if name not in properties:
            properties[name] = inner
            required += [name] if name in learned["required"] else []
        elif "properties" in inner:
            properties[name] = completed(properties[name], inner)
    return {**schema, "properties": properties, "required": required}


def _lacks(declared: Any, value: Any) -> bool:
    """Whether an object has a property, at any depth, that its declared schema lacks."""
    if not isinstance(value, Mapping):
        return False
    properties = _properties(declared)
    return any(name not in properties or _lacks(properties[name], inner) for name, inner in value.items())


def _properties(schema: Any) -> Mapping[str, Any]:
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    return properties if isinstance(properties, Mapping) else {}


def _collect(path: str, value: Any, found: dict[str, list[Any]]) -> None:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            _collect(f"{path}.{name}", inner, found)
    elif isinstance(value, list):
        for inner in value:
            _collect(f"{path}[]", inner, found)
    else:
        found.setdefault(path, []).append(value)


def _most_frequent(values: Sequence[Any], most: int) -> list[Any]:
    """The distinct values, the most frequent first; equally frequent ones in order of appearance."""
    by_text = {json.dumps(value): value for value in reversed(values)}
    ranked = Counter(json.dumps(value) for value in values).most_common(most)
    return [by_text[text] for text, _ in ranked]
