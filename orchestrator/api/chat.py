"""Preparing a chat, and the notebook function that asks one question."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from orchestrator.chat.connection import open_connection
from orchestrator.chat.conversation import Conversation, Outcome, Reply
from orchestrator.chat.targets import Target, find_target
from orchestrator.chat.terms import ROUNDS, ChatOptions, Terms, agree
from orchestrator.dataset.variants import Variant
from orchestrator.errors import CallNotAllowed, NoSuchTool
from orchestrator.ledger import open_ledger
from orchestrator.spelling import did_you_mean
from orchestrator.tools.calls import ReadyCall
from orchestrator.tools.functions import Tool
from orchestrator.tools.sources import load_tools


@dataclass(frozen=True)
class Chat:
    """A chat that is ready to start."""

    target: Target
    terms: Terms
    home: Path
    """The state directory."""


def prepare(
    target: str | Path, tools: Sequence[Tool], options: ChatOptions, endpoint: str | None, yes_to: Collection[str]
) -> Chat:
    """Find the model, and settle the terms. Raises what `find_target` raises, NoSuchTool, EndpointNotUsable."""
    _require_known(yes_to, [tool.name for tool in tools if tool.function is not None])
    place = Path(target).parent if str(target).endswith(".toml") else None
    with open_ledger(place) as ledger:
        found = find_target(ledger, str(target), endpoint)
        found.config.require_usable()
        return Chat(found, agree(found, tools, options), ledger.workspace.home)


def ask(
    target: str | Path,
    request: str,
    *,
    tools: Iterable[str | Callable[..., object]] = (),
    yes_to: Collection[str] = (),
    endpoint: str | None = None,
    variant: Variant | None = None,
    system: str | None = None,
    rejection_tools: Collection[str] | None = None,
    temperature: float | None = None,
    rounds: int = ROUNDS,
) -> Reply:
    """Send one request to a model, let it call the functions that `yes_to` names, and return how it ended.

    `target` is a job file, the id or name of a run, or a model. `tools` are Python functions with type hints,
    FILE.py, package.module:function, or FILE.json with definitions; without them, the definitions of the training
    file. Calls of tools that have no function are in the reply's `calls`. What is not given is as in training; it
    warns where the tools differ from training. Raises CallNotAllowed before a function is executed that `yes_to`
    does not name, StillCalling, NoAnswer, and what `load_tools` and `prepare` raise.
    """
    rejections = None if rejection_tools is None else frozenset(rejection_tools)
    options = ChatOptions(variant, system, rejections, temperature, rounds)
    chat = prepare(target, load_tools(tools), options, endpoint, yes_to)
    for note in chat.terms.notes:
        warnings.warn(note, stacklevel=2)

    def answered() -> Reply:
        with open_connection(chat.target, chat.home) as line:
            return Conversation(chat.terms, line.ask, Unattended(frozenset(yes_to)), line.wait).say(request)

    return _outside_loops(answered)


@dataclass(frozen=True)
class Unattended:
    """A host without a user to ask: calls that were not allowed beforehand are not executed."""

    yes_to: frozenset[str]

    def said(self, text: str) -> None:
        pass

    def allows(self, calls: list[ReadyCall]) -> list[bool]:
        """Allows all of them or none. Raises CallNotAllowed before any is executed."""
        for call in calls:
            if call.tool.name not in self.yes_to:
                raise CallNotAllowed(call=call.written, name=call.tool.name)
        return [True for _ in calls]

    def result_of(self, call: ReadyCall) -> None:
        return None

    def saw(self, outcome: Outcome) -> None:
        pass

    def stops_functions(self) -> bool:
        return False


def _require_known(names: Collection[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known, ' (did you mean "{}"?)')
            raise NoSuchTool(
                name=name, hint=hint, known=", ".join(known) or "none; give Python functions with --tools"
            )


def _outside_loops(work: Callable[[], Reply]) -> Reply:
    """A notebook runs an event loop already; the chat needs its own, so it runs in a thread there."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return work()
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(work).result()
