"""The 72 chat templates of TRL 1.16, read from its wheel: each case is right or refused, and none silently wrong.

The verdicts are kept in trl_templates.txt. `python tests/dataset/rendering/test_trl_templates.py` writes it again.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

import pytest
from support.renderingjudge import as_transformers_takes_it, environment
from support.trltable import CASES, chosen_for, table, verdicts
from support.trltemplates import templates, tokens_of

from orchestrator.dataset.rendering.conversation import supervised_of

TABLE = Path(__file__).with_name("trl_templates.txt")

pytestmark = pytest.mark.skipif(
    "FTORCH_TRL_WHEEL" not in os.environ,
    reason="FTORCH_TRL_WHEEL names no wheel of trl 1.16 (make test-lora has one)",
)


def test_all_templates_are_there() -> None:
    assert len(templates()) == 72


def test_the_verdicts_are_as_they_were() -> None:
    assert list(table()) == TABLE.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("alone", [True, False], ids=["alone", "with ours"])
@pytest.mark.parametrize("name", templates())
def test_nothing_is_silently_wrong(name: str, alone: bool) -> None:
    found = verdicts(name, alone=alone)
    assert found.keys() == CASES.keys()
    assert [(case, each.problems) for case, each in found.items() if each.problems] == []


MARKED = [name for name, text in templates().items() if re.search(r"\{%-?\s*generation", text)]


@pytest.mark.parametrize("name", MARKED)
def test_what_is_learned_is_what_trl_learns_by_the_templates_marks(name: str) -> None:
    """Aside from what follows the stop token and what the generation prompt supplies, which TRL learns too."""
    chosen = chosen_for(name, alone=True)
    plain = environment().from_string(chosen[0].text)
    variables, _, _ = tokens_of(name)
    right = [case for case, each in verdicts(name, alone=True).items() if each.method == "prefix"]
    for case in set(right) - {"weight", "unlearned"}:  # TRL learns turns of weight 0
        row = CASES[case]
        messages = as_transformers_takes_it(row["messages"])
        marked = plain.render(messages=messages, tools=row.get("tools"), **variables)
        theirs = "".join(re.findall("\ue000(.*?)\ue001", marked, re.DOTALL)).replace("<|start|>assistant", "")
        pieces, _ = chosen[1].pieces(supervised_of(row))
        ours = "".join(piece.text for piece in pieces if piece.turn is not None).replace("<|start|>assistant", "")
        if name.startswith("phi3"):
            theirs = theirs.removesuffix("<|endoftext|>")  # behind <|end|>
        if name == "diffusion_gemma_training":
            ours = ours.removesuffix(
                "<|tool_response>"
            )  # the stop token of a call, which is outside of their marks
        assert "".join(ours.split()) == "".join(_unsupplied(theirs, ours).split())


def _unsupplied(theirs: str, ours: str) -> str:
    """Their text without the thought that the generation prompt opens or supplies in every turn."""
    thought = re.match(r"<think>(\n)?(?=</think>|\n)", theirs)
    if thought and not ours.startswith("<think>"):
        theirs = theirs.replace(thought[0], "")
        if not ours.lstrip().startswith("</think>"):
            theirs = re.sub(r"\s*</think>\s*", "", theirs)
    return theirs


if __name__ == "__main__":
    TABLE.write_text("".join(f"{line}\n" for line in table()), encoding="utf-8")
