"""The chain of decisions that makes an answer: the tool or text, then each argument, then whether to continue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator.server.trainers.interface import Answer, ToolCall
from orchestrator.server.trainers.tiny import base
from orchestrator.server.trainers.tiny.arguments import Arguments, decide
from orchestrator.server.trainers.tiny.conversation import Prompt, Turn
from orchestrator.server.trainers.tiny.decisions import Decision, Option, Steps, forced
from orchestrator.server.trainers.tiny.memory import TEXT, Memory
from orchestrator.server.trainers.tiny.replies import filled, restated, template
from orchestrator.server.trainers.tiny.schema import Tool, Toolbox, toolbox
from orchestrator.server.trainers.tiny.text import Features, group, hashed

MOST_CALLS = 8
_AFTER_RESULT = "after result "
"""Separate weights, so that training without tool results does not teach the model to repeat a call, or to answer
a result with a text learned for requests."""
BASE, NOVELTY = hashed("base"), hashed("novelty")


@dataclass
class Chain:
    """The decisions about one answer. With a `target` every decision knows which options are right."""

    prompt: Prompt
    toolbox: Toolbox
    memory: Memory
    target: Answer | None = None
    own: bool = False
    """Whether this prompt is an example in memory."""
    choice: str = "auto"
    parallel: bool = True
    calls: list[ToolCall] = field(default_factory=list)
    """The calls decided so far."""

    def answer(self) -> Steps[Answer]:
        """Decide the whole answer."""
        tool = yield from self._tool()
        arguments = Arguments(self.prompt, self.memory, self.own)
        while tool is not None:
            given = self.target.calls[len(self.calls)].arguments if self.target else None
            self.calls.append(ToolCall(tool.name, (yield from arguments.of(tool, given))))
            if not self.parallel or len(self.calls) == MOST_CALLS or not (yield from self._goes_on()):
                break
            tool = yield from self._tool()
        if self.calls or (self.target and self.target.calls):
            return Answer(None, tuple(self.calls))
        return Answer((yield from self._text()))

    def _tool(self) -> Steps[Tool | None]:
        """The tool to call next; None for an answer in text."""
        options = [self._tool_option(tool) for tool in self.toolbox.tools if self._allows(tool)]
        if not options or (self.choice in ("auto", "none") and not self.calls):
            options.append(self._option(TEXT, None, base.text(self.prompt)))
        right = None
        if self.target:
            asked = len(self.calls)
            label = self.target.calls[asked].name if asked < len(self.target.calls) else TEXT
            right = tuple(i for i, o in enumerate(options) if (o.value.name if o.value else TEXT) == label)
        taken = yield from decide(options, right)
        return taken.value if taken else None

    def _allows(self, tool: Tool) -> bool:
        return self.choice in ("auto", "required", tool.name)

    def _tool_option(self, tool: Tool) -> Option:
        return self._option(tool.name, tool, base.tool(self.prompt, tool, self.toolbox))

    def _option(self, label: str, value: Tool | None, score: float) -> Option:
        if self.prompt.answers_result:
            parts = [(f"{_AFTER_RESULT}{label}", self.prompt.features)]
        else:
            novelty: Features = ((NOVELTY, self.memory.novelty(self.prompt, own=self.own)),)
            name = f"tool {label}"
            parts = [(name, self.prompt.features), (name, novelty), ("tool", ((BASE, score / 4),))]
            score += self.memory.commonness(label) if self.own else 0.0
        if self.calls:
            parts.append((f"next {label}", group("after", [call.name for call in self.calls], 1.0)))
        return Option(value, score, tuple(parts))

    def _goes_on(self) -> Steps[bool]:
        """Whether another call follows in the same answer."""
        done = len(self.calls)
        seen = group("done", [f"{done} calls", f"last {self.calls[-1].name}"], 1.0)
        features = self.prompt.word_features + seen
        options = [Option(False, base.STOP, (("stop", features),)), Option(True, 0.0, (("go on", features),))]
        right = None if self.target is None else (int(done < len(self.target.calls)),)
        taken = yield from decide(options, right)
        return bool(taken and taken.value)

    def _text(self) -> Steps[str]:
        """The text of the answer: the results in plain words, or one of the texts seen in training."""
        after = _AFTER_RESULT if self.prompt.answers_result else ""
        options = [Option(restated(self.prompt), base.RESTATED, ((f"{after}restate", self.prompt.features),))]
        for text in self.memory.texts:
            said = filled(text, self.prompt)
            if said:
                options.append(Option(said, 0.0, ((f"{after}text {text}", self.prompt.features),)))
        right = None
        if self.target:
            wanted = filled(template(self.target.content or "", self.prompt), self.prompt)
            right = tuple(i for i, option in enumerate(options) if option.value == wanted)
        taken = yield from decide(options, right)
        return str(taken.value) if taken else ""


def decisions_of(turn: Turn, memory: Memory, *, own: bool) -> list[Decision]:
    """The decisions that lead to a turn's answer. `own`: the turn is an example in memory."""
    chain = Chain(
        prompt=turn.prompt,
        toolbox=toolbox(memory.definitions(turn.tools)),
        memory=memory,
        target=turn.answer,
        own=own,
        parallel=turn.parallel or len(turn.answer.calls) > 1,
    )
    return forced(chain.answer())


def answering(
    prompt: Prompt, tools: Sequence[Mapping[str, Any]], memory: Memory, choice: str, parallel: bool
) -> Steps[Answer]:
    """The chain that answers a prompt."""
    several = parallel and choice in ("auto", "required")
    return Chain(prompt, toolbox(memory.definitions(tools)), memory, choice=choice, parallel=several).answer()
