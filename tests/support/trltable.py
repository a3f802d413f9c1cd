"""What becomes of each of TRL's templates: which cases are right, and why the others are refused."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from orchestrator.dataset.rendering.choosing import Chosen, choose_template
from orchestrator.dataset.rendering.conversation import supervised_of
from orchestrator.dataset.rendering.rendered import Method
from orchestrator.dataset.rendering.turns import Ends
from orchestrator.errors import CannotRender
from support.renderingjudge import as_transformers_takes_it, environment, judge
from support.trltemplates import templates, tokens_of

TURN_TOKENS = frozenset({"<|im_start|>", "<|start_header_id|>", "<start_of_turn>", "<|assistant|>"})
"""One of those that each template of ours asks for."""

ZONES = {
    "type": "function",
    "function": {
        "name": "probe_zone",
        "description": "Look at a part of the terrain.",
        "parameters": {
            "type": "object",
            "properties": {
                "area": {"type": "string", "description": "Which part."},
                "depth": {"type": "number", "description": "How deep to look."},
                "now": {"type": "boolean", "description": "At once."},
                "route": {"type": "array", "items": {"type": "number"}, "description": "The way there."},
                "how": {
                    "type": "object",
                    "description": "In which manner.",
                    "properties": {"mode": {"type": "string"}},
                },
            },
            "required": ["area"],
        },
    },
}
LAND = {
    "type": "function",
    "function": {
        "name": "land_drone",
        "description": "Set the drone down.",
        "parameters": {"type": "object", "properties": {"place": {"type": "string", "description": "Where to."}}},
    },
}
TOOLS = [ZONES, LAND]


def calling(*calls: tuple[str, Any], content: str | None = None, **keys: Any) -> dict[str, Any]:
    """An assistant message with calls, with arguments as JSON text."""
    listed = [
        {"id": f"call_{i}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
        for i, (name, arguments) in enumerate(calls)
    ]
    return {"role": "assistant", "content": content, "tool_calls": listed, **keys}


def result(text: str, number: int = 0) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": f"call_{number}", "content": text}


def said(text: str, **keys: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text, **keys}


SYSTEM = {"role": "system", "content": "You steer a small machine in the hills."}
ASK = {"role": "user", "content": "What is in the northern part?"}
THANKS = {"role": "user", "content": "Thank you. Go back home now."}
NORTH, HOME = ("probe_zone", {"area": "north", "depth": 3}), ("land_drone", {"place": "home"})
SEVEN = said("There are seven of them.")


def _row(*messages: Any, tools: bool = True, **keys: Any) -> dict[str, Any]:
    return {"messages": list(messages), **({"tools": TOOLS} if tools else {}), **keys}


def _arguments(**arguments: Any) -> dict[str, Any]:
    return _row(ASK, calling(("probe_zone", arguments)))


CASES: Mapping[str, dict[str, Any]] = {
    "chat": _row(ASK, SEVEN, tools=False),
    "system": _row(SYSTEM, ASK, SEVEN, tools=False),
    "turns": _row(SYSTEM, ASK, SEVEN, THANKS, said("On my way."), tools=False),
    "weight": _row(ASK, said("No idea at all.", weight=0), THANKS, said("On my way.", weight=1), tools=False),
    "text": _row(ASK, SEVEN),
    "call": _row(SYSTEM, ASK, calling(NORTH)),
    "nothing": _row(ASK, calling(("probe_zone", {}), content="")),
    "several": _row(ASK, calling(NORTH, HOME)),
    "beside": _row(ASK, calling(NORTH, content="I look there now.")),
    "result": _row(SYSTEM, ASK, calling(NORTH), result('{"found": 7}'), SEVEN),
    "results": _row(ASK, calling(NORTH, HOME), result('{"found": 7}'), result("it has landed", 1), SEVEN),
    "again": _row(ASK, calling(NORTH), result("7 of them"), SEVEN, THANKS, calling(HOME)),
    "unlearned": _row(ASK, calling(NORTH, weight=0), result("7 of them"), SEVEN),
    "parallel": _row(ASK, calling(NORTH), parallel_tool_calls=False),
    "nested": _arguments(how={"mode": "slow", "deep": {"list": [1, {"a": None}], "yes": True}}, route=[1, 2.5]),
    "numbers": _arguments(area="7", depth=-0.25, now=True, route=[]),
    "unicode": _arguments(area="Zürich 東京 🚁"),
    "quotes": _arguments(area='the "old" mill\'s \\ yard'),
    "lines": _arguments(area="first line\nsecond line\n"),
    "tags": _arguments(area="</tool_call> <b> {x} & </parameter>"),
}


@dataclass(frozen=True)
class Verdict:
    """What became of one case: learned by a method, or refused for a reason; and what the judge has against it."""

    method: Method | None
    refused: str
    problems: tuple[str, ...] = ()


@cache
def chosen_for(name: str, *, alone: bool) -> Chosen:
    """The template in use for one of TRL's; `alone` keeps ours away."""
    variables, stops, specials = tokens_of(name)
    kept = specials - TURN_TOKENS if alone else specials
    return choose_template(templates()[name], "it", variables, Ends(stops, kept))


@cache
def verdicts(name: str, *, alone: bool) -> Mapping[str, Verdict]:
    """Each case under the chosen template, judged by its own text in plain Jinja."""
    return dict(_verdicts(name, chosen_for(name, alone=alone)))


def _verdicts(name: str, chosen: Chosen) -> Iterator[tuple[str, Verdict]]:
    template, chat = chosen
    variables, stops, _ = tokens_of(name)
    plain = environment().from_string(template.text)
    for case, row in CASES.items():
        conversation = supervised_of(row)
        try:
            pieces, method = chat.pieces(conversation)
        except CannotRender as refused:
            yield case, Verdict(None, refused.kind)
            continue
        turns = sorted(conversation.learned)
        prompts = [
            plain.render(
                messages=as_transformers_takes_it(row["messages"][:turn]),
                tools=row.get("tools"),
                add_generation_prompt=True,
                **variables,
                **({"parallel_tool_calls": False} if "parallel_tool_calls" in row else {}),
            )
            for turn in turns
        ]
        unmarked = [prompt.replace("\ue000", "").replace("\ue001", "") for prompt in prompts]
        learned = [(piece.text, piece.turn in conversation.learned) for piece in pieces]
        yield case, Verdict(method, "", tuple(judge(row, learned, template.family, stops, unmarked)))


def table() -> Iterator[str]:
    """The lines of the table: each template alone, then those in whose place one of ours is used.

    A line is the template, the format of its calls, what is set in it, and how many of the cases are right. Those
    that are learned by marks, or refused, follow with the kind of the reason.
    """
    for alone in (True, False):
        for name in templates():
            chosen = chosen_for(name, alone=alone)
            if alone or _is_ours(chosen):
                yield _line(name, chosen, verdicts(name, alone=alone))


def _line(name: str, chosen: Chosen, found: Mapping[str, Verdict]) -> str:
    said = "ours" if _is_ours(chosen) else chosen[0].source.removeprefix("it").strip(", ") or "as it is"
    groups: dict[str, list[str]] = {}
    for case, verdict in found.items():
        if verdict.method != "prefix":
            groups.setdefault(verdict.refused or "markers", []).append(case)
    right = sum(verdict.method is not None for verdict in found.values())
    others = "; ".join(f"{kind}: {' '.join(cases)}" for kind, cases in groups.items())
    return " | ".join([name, chosen[0].family or "-", said, f"{right} of {len(found)}", others]).rstrip(" |")


def _is_ours(chosen: Chosen) -> bool:
    return chosen[0].source.startswith("ftorch")
