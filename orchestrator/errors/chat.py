"""Talking to a model that calls functions."""

from __future__ import annotations

from orchestrator.errors.base import FtorchError, UsageError


class FunctionUnusable(UsageError):
    """{place}: the function {name} can't be a tool: {problem}. {fix}."""


class ToolsUnusable(UsageError):
    """The tools {source} can't be used: {problem}. {fix}."""


class NoSuchTool(UsageError):
    """There is no tool "{name}"{hint}. Known: {known}."""


class SeveralModels(UsageError):
    """ "{key}" stands for {count} models. Name one run or model instead; the best: ftorch sweep best {key}"""


class CallNotAllowed(UsageError):
    """The model wants to call {call}, and there is nobody to ask. It was not executed. If the function does no
    harm, allow it: --yes-to {name}"""


class StillCalling(FtorchError):
    """The model was still calling functions after {rounds} rounds, and gave no answer. Allow it more with
    --max-rounds, or look at what the functions tell it."""
