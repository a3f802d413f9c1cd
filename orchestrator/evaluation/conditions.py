"""By what rules an evaluation was scored: only what was scored alike can be compared."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.store.evaluations import Evaluation


@dataclass(frozen=True)
class Conditions:
    """What decides, beside the file, whether an answer is right."""

    rejection_tools: tuple[str, ...]
    """Tools whose call rejects a request."""
    scored_with: int
    """The version of the rules."""

    def __str__(self) -> str:
        tools = ", ".join(self.rejection_tools)
        rejecting = f"calls of {tools} reject" if tools else "no tool is named that rejects"
        return f"{rejecting} (rules of version {self.scored_with})"


def conditions_of(evaluation: Evaluation) -> Conditions:
    """The conditions that were recorded with an evaluation."""
    tools = evaluation.settings.get("rejection_tools", ())
    return Conditions(tuple(sorted(tools)), evaluation.scored_with)


def rescoring(evaluation: Evaluation, model: str, variants: Sequence[str], wished: Conditions) -> str:
    """The command that scores a model's recorded answers by the wished conditions, and asks nothing."""
    command = ["ftorch", "evaluate", model, "--endpoint", evaluation.endpoint, "--file", evaluation.file_path]
    command += ["--variants", ",".join(variants)] if evaluation.settings["variants"] != ["full"] else []
    command += [word for tool in wished.rejection_tools for word in ("--rejection-tool", tool)]
    return shlex.join([*command, "--rescore"])
