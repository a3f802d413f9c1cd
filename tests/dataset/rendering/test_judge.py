"""The judge of the golden test finds each kind of fault, or its verdicts would prove nothing."""

from __future__ import annotations

import pytest
from support.renderingjudge import judge
from support.trltable import CASES

STOPS = frozenset({"<end>"})
CONTEXT = (
    "You steer a small machine in the hills. What is in the northern part? "
    "probe_zone Look at a part of the terrain. area depth now route how land_drone Set the drone down. place"
)
CALL = '<tool_call>\n{"name": "probe_zone", "arguments": {"area": "north", "depth": 3}}\n</tool_call><end>'


def problems(*pieces: tuple[str, bool], case: str = "call", prompts: tuple[str, ...] = (CONTEXT,)) -> list[str]:
    return judge(CASES[case], pieces, "hermes", STOPS, prompts)


def test_a_right_rendering_has_no_problem() -> None:
    assert problems((CONTEXT, False), (CALL, True)) == []
    assert problems((CONTEXT, False), ("<think>\n\n</think>\n\n" + CALL, True)) == []


@pytest.mark.parametrize(
    "answer",
    [
        CALL.removesuffix("<end>"),
        CALL + "\n",
        "<model>" + CALL,
        CALL.replace("probe_zone", "land_drone"),
        CALL.replace("3", '"3"'),
        CALL.replace(', "depth": 3', ""),
        CALL.replace('{"area": "north", "depth": 3}', '"{\\"area\\": \\"north\\", \\"depth\\": 3}"'),
        CALL + CALL,
        "<end>",
        "What is in the northern part?" + CALL,
    ],
)
def test_a_wrong_answer_is_found(answer: str) -> None:
    assert problems((CONTEXT, False), (answer, True))


@pytest.mark.parametrize(
    "word", ["You steer", "What is in the northern part?", "probe_zone", "Set the drone", "route"]
)
def test_a_lost_context_is_found(word: str) -> None:
    lost = CONTEXT.replace(word, "")
    assert problems((lost, False), (CALL, True), prompts=(lost,))


def test_what_is_not_learned_or_learned_too_often_or_follows_another_prompt_is_found() -> None:
    assert problems((CONTEXT, False)) == ["0 texts are learned, of 1 turns"]
    assert problems((CONTEXT, False), (CALL, True), (CALL, True)) == ["2 texts are learned, of 1 turns"]
    assert "serving sends" in problems((CONTEXT, False), (CALL, True), prompts=(CONTEXT + "<think>",))[0]


def test_a_turn_of_weight_0_that_is_learned_is_found() -> None:
    asked = "What is in the northern part? No idea at all.<end> Thank you. Go back home now."
    right = (asked, False), ("On my way.<end>", True)
    assert problems(*right, case="weight", prompts=(asked,)) == []
    wrong = (asked, False), ("No idea at all.On my way.<end>", True)
    assert problems(*wrong, case="weight", prompts=(asked,))
