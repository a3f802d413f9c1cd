"""docs/scoring.md beside the code: its example is a case, its rules are rules, its lists are whole."""

from __future__ import annotations

import json
import re
from pathlib import Path

from orchestrator.evaluation.cases import CASE_KEYS, read_case
from orchestrator.evaluation.scoring.rules import RULES, WORDS, parse_rules
from orchestrator.evaluation.scoring.tools import Toolsets
from orchestrator.evaluation.scoring.verdicts import Level, Mistake

PAGE = (Path(__file__).parents[2] / "docs" / "scoring.md").read_text(encoding="utf-8")


def test_the_example_is_a_case() -> None:
    text = re.search(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert text is not None
    case = read_case(1, json.loads(text[1].replace("[…]", "[]")), Toolsets())
    assert (case.slices, case.cluster, case.expects) == (("booking",), "mario-4", "call")


def test_every_rule_of_the_table_can_be_written_and_none_is_missing() -> None:
    table = PAGE[PAGE.index("| rule |") : PAGE.index('`"optional": true`')]
    written = [json.loads(code.replace("[…]", "[1]")) for code in re.findall(r"`([\"{].*?)` ?[|,]", table)]
    for rule in written:
        assert parse_rules({"argument": rule}) is not None
    named = {rule if isinstance(rule, str) else next(iter(rule)) for rule in written}
    assert named == {*WORDS, *RULES} - {"rule"}


def test_every_key_level_and_mistake_is_told() -> None:
    for name in (*CASE_KEYS, *Level, *Mistake):
        assert f"`{name}`" in PAGE
