"""How the lenient level agrees with the AST checker of the Berkeley Function-Calling Leaderboard, on its own data.

    pip download --no-deps bfcl-eval==2026.3.23 -d /tmp/bfcl && unzip -q /tmp/bfcl/*.whl -d /tmp/bfcl
    python tests/quality/agree_with_bfcl.py /tmp/bfcl

bfcl-eval itself pulls in 150 packages, so it is no dependency: its checker's module is imported alone, with a
stand-in for its table of models. For each entry of eight categories answers are made from the possible ones: right
ones, and some that are changed in one of the ways below. Both checkers judge each; the table gives for each way how
often they agree, and who alone accepts where they don't.
"""

from __future__ import annotations

import json
import random
import sys
import types
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from orchestrator.evaluation.answers import Answer, AnsweredCall
from orchestrator.evaluation.cases import Case, read_case
from orchestrator.evaluation.scorer import score
from orchestrator.evaluation.scoring.tools import Toolsets
from orchestrator.evaluation.scoring.verdicts import Level

CATEGORIES = (
    "simple_python",
    "multiple",
    "parallel",
    "parallel_multiple",
    "live_simple",
    "live_multiple",
    "live_parallel",
    "live_parallel_multiple",
)
MOST_VALUES = 200
"""Of one argument; more combinations of what stands inside an object are not tried."""
MODEL = "model"
SHOWN = 2

Call = tuple[str, dict[str, Any]]
Checker = Callable[[Any, list[Any], Any, str], bool]


@dataclass(frozen=True)
class Entry:
    """One entry of the leaderboard's data: its functions, and for each call the possible values by argument."""

    id: str
    category: str
    functions: list[dict[str, Any]]
    possible: list[Call]


def main() -> None:
    root = Path(sys.argv[1])
    bfcl = bfcl_checker(root)
    rng = random.Random(0)
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    examples: dict[tuple[str, str], list[str]] = defaultdict(list)
    for entry in entries(root / "bfcl_eval" / "data"):
        case = as_case(entry)
        for way, calls in answers(entry, rng):
            outcome = OUTCOMES[judged(bfcl, entry, calls), accepted(case, calls)]
            counts[way][outcome] += 1
            if outcome not in AGREED:
                examples[outcome, reason(way, entry)].append(f"{entry.id}: {json.dumps(calls)[:200]}")
    print_table(counts)
    for (outcome, why), found in sorted(examples.items(), key=lambda entry: -len(entry[1])):
        print(f"\n{outcome}, {why}: {len(found)}")
        print("\n".join(f"    {line}" for line in found[:SHOWN]))


OUTCOMES = {
    (True, True): "both accept",
    (False, False): "both refuse",
    (True, False): "only BFCL accepts",
    (False, True): "only ftorch accepts",
}


AGREED = ("both accept", "both refuse")


def print_table(counts: Mapping[str, Counter[str]]) -> None:
    print(f"{'':34}" + "".join(f"{name:>21}" for name in OUTCOMES.values()))
    for way, found in [*counts.items(), ("all", sum(counts.values(), Counter()))]:
        print(f"{way:34}" + "".join(f"{found[name]:21,}" for name in OUTCOMES.values()))
    total = sum(counts.values(), Counter())
    agreed = sum(total[name] for name in AGREED)
    print(f"\n{agreed:,} of {total.total():,} agree ({agreed / total.total():.2%})")


def reason(way: str, entry: Entry) -> str:
    """Why the two disagree, or "not explained"."""
    if way == "an integer as 5.0":
        return "a whole number written as 5.0"
    if any(not values.keys() <= properties(entry, name).keys() for name, values in entry.possible):
        return "the data expects an argument that the function lacks"
    if any(requires_optional(entry, name, values) for name, values in entry.possible):
        return "the data leaves out an argument that the function requires"
    if way in ("a default given", "an argument left out"):
        return "a default given or left out"
    if any(stands_for_variable(entry, name, values) for name, values in entry.possible):
        return "a variable's name in the place of a value"
    if way == "calls in another order":
        return "BFCL pairs calls first come, first served"
    if way == "a list that is shorter":
        return "BFCL takes an empty list for left out"
    return "not explained"


def parameters(entry: Entry, name: str) -> Mapping[str, Any]:
    function = next(function for function in entry.functions if function["name"] == name)
    found: Mapping[str, Any] = function["parameters"]
    return found


def properties(entry: Entry, name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = parameters(entry, name)["properties"]
    return found


def requires_optional(entry: Entry, name: str, values: Mapping[str, Any]) -> bool:
    return any("" in (values.get(argument) or [""]) for argument in parameters(entry, name)["required"])


def stands_for_variable(entry: Entry, name: str, values: Mapping[str, Any]) -> bool:
    schemas = properties(entry, name)
    texts = [key for key, found in values.items() if any(isinstance(value, str) and value for value in found)]
    return any(schemas[key]["type"] not in ("string", "any") for key in texts)


# --- the leaderboard's side --------------------------------------------------------------------------------------


def bfcl_checker(root: Path) -> Checker:
    """The leaderboard's own `ast_checker` for Python entries."""
    sys.path.insert(0, str(root))
    stand_in(
        "bfcl_eval.constants.model_config",
        MODEL_CONFIG_MAPPING={MODEL: types.SimpleNamespace(underscore_to_dot=False)},
    )
    for language in ("java", "js"):
        name = f"bfcl_eval.eval_checker.ast_eval.type_convertor.{language}_type_converter"
        stand_in(name, **{f"{language}_type_converter": None})
    from bfcl_eval.constants.enums import Language
    from bfcl_eval.eval_checker.ast_eval.ast_checker import ast_checker

    def check(functions: Any, output: list[Any], possible: Any, category: str) -> bool:
        return bool(ast_checker(functions, output, possible, Language.PYTHON, category, MODEL)["valid"])

    return check


def stand_in(name: str, **values: Any) -> None:
    module = types.ModuleType(name)
    module.__dict__.update(values)
    sys.modules[name] = module


def judged(bfcl: Checker, entry: Entry, calls: list[Call]) -> bool:
    output = [{name: arguments} for name, arguments in calls]
    return bfcl(entry.functions, output, [{name: values} for name, values in entry.possible], entry.category)


def entries(data: Path) -> Iterator[Entry]:
    for category in CATEGORIES:
        answers_by_id = {row["id"]: row for row in rows(data / "possible_answer" / f"BFCL_v4_{category}.json")}
        for row in rows(data / f"BFCL_v4_{category}.json"):
            truth = answers_by_id[row["id"]]["ground_truth"]
            possible = [next(iter(call.items())) for call in truth]
            yield Entry(row["id"], category, row["function"], possible)


def rows(path: Path) -> Iterator[Any]:
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


# --- the same entry as a case -------------------------------------------------------------------------------------


def as_case(entry: Entry) -> Case:
    """The case that says the same: each possible value by `one_of`, and what may be left out as optional."""
    calls, rules = [], []
    for name, values in entry.possible:
        calls.append(
            {"name": name, "arguments": {key: found[0] for key, found in concrete(values).items() if found}}
        )
        written = {key: rule(found, "" in values[key]) for key, found in concrete(values).items()}
        rules.append({key: found for key, found in written.items() if found})
    message = {"role": "assistant", "tool_calls": [{"function": call} for call in calls]}
    tools = [
        {"type": "function", "function": {**function, "parameters": json_schema(function["parameters"])}}
        for function in entry.functions
    ]
    return read_case(1, {"messages": [message], "tools": tools, "match": rules}, Toolsets())


def rule(values: list[Any], optional: bool) -> dict[str, Any]:
    return {**({"one_of": values} if values else {}), **({"optional": True} if optional else {})}


def concrete(values: Mapping[str, Any]) -> dict[str, list[Any]]:
    """For each argument the values that may be given, objects in all their combinations."""
    return {
        name: [value for item in found if item != "" for value in expanded(item)] for name, found in values.items()
    }


def expanded(value: Any) -> list[Any]:
    if isinstance(value, dict):
        inner = [[(name, item) for item in found] for name, found in value.items()]
        chosen = (dict(pair for pair in pairs if pair[1] != "") for pairs in product(*inner))
        return [found for found, _ in zip(chosen, range(MOST_VALUES), strict=False)]
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        return [list(items) for items in product(*map(expanded, value))][:MOST_VALUES]
    return [value]


TYPES = {"dict": "object", "float": "number", "tuple": "array", "any": "string"}


def json_schema(schema: Any) -> Any:
    """The leaderboard's schema with the type names of JSON Schema."""
    if isinstance(schema, list):
        return [json_schema(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: TYPES.get(value, value) if key == "type" and isinstance(value, str) else json_schema(value)
        for key, value in schema.items()
    }


def accepted(case: Case, calls: list[Call]) -> bool:
    made = tuple(AnsweredCall(name, json.dumps(arguments)) for name, arguments in calls)
    return score(case, Answer(calls=made)).right(Level.LENIENT)


# --- answers, right and wrong -------------------------------------------------------------------------------------


def answers(entry: Entry, rng: random.Random) -> Iterator[tuple[str, list[Call]]]:
    """Answers to one entry, each with the way in which it was made from the possible ones."""
    right = [(name, given(values, rng)) for name, values in entry.possible]
    yield "first possible values", [(name, given(values, None)) for name, values in entry.possible]
    yield "possible values by chance", right
    if len(right) > 1:
        yield "calls in another order", right[::-1]
        yield "a call too few", right[:-1]
    yield "a call too many", [*right, right[0]]
    yield "no call", []
    yield "another tool", [("some_other_tool", right[0][1]), *right[1:]]
    for way, change in CHANGES.items():
        changed = change(right[0][1], entry, rng)
        if changed is not None:
            yield way, [(right[0][0], changed), *right[1:]]


def given(values: Mapping[str, Any], rng: random.Random | None) -> dict[str, Any]:
    """Possible arguments: the first of each, or some by chance, and then optional ones left out as often."""
    found = {}
    for name, possible in concrete(values).items():
        if possible and not (rng and "" in values[name] and rng.random() < 0.5):
            found[name] = rng.choice(possible) if rng else possible[0]
    return found


def changed_one(
    fits: Callable[[Any], bool], new: Callable[[Any], Any]
) -> Callable[[dict[str, Any], Entry, random.Random], dict[str, Any] | None]:
    """A change of one argument that fits, chosen by chance; None where none does."""

    def change(arguments: dict[str, Any], entry: Entry, rng: random.Random) -> dict[str, Any] | None:
        names = [name for name, value in arguments.items() if fits(value)]
        if not names:
            return None
        name = rng.choice(names)
        return {**arguments, name: new(arguments[name])}

    return change


def without_one(arguments: dict[str, Any], entry: Entry, rng: random.Random) -> dict[str, Any] | None:
    if not arguments:
        return None
    left_out = rng.choice(list(arguments))
    return {name: value for name, value in arguments.items() if name != left_out}


def with_one_more(arguments: dict[str, Any], entry: Entry, rng: random.Random) -> dict[str, Any] | None:
    return {**arguments, "some_other_argument": 1}


def with_a_default(arguments: dict[str, Any], entry: Entry, rng: random.Random) -> dict[str, Any] | None:
    """One optional argument more, with the default of its schema, where the schema gives one."""
    name = entry.possible[0][0]
    function = next((function for function in entry.functions if function["name"] == name), None)
    properties = function["parameters"]["properties"] if function else {}
    for argument, schema in properties.items():
        if argument not in arguments and schema.get("default") is not None:
            return {**arguments, argument: schema["default"]}
    return None


def is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


CHANGES: Mapping[str, Callable[[dict[str, Any], Entry, random.Random], dict[str, Any] | None]] = {
    "an argument left out": without_one,
    "an unknown argument": with_one_more,
    "a default given": with_a_default,
    "text in capitals": changed_one(is_text, str.upper),
    "text with blanks and full stops": changed_one(is_text, lambda text: f" {text}. "),
    "another text": changed_one(is_text, lambda text: f"{text} indeed"),
    "text with other quotes": changed_one(lambda v: is_text(v) and "'" in v, lambda text: text.replace("'", '"')),
    "a text as a list": changed_one(is_text, lambda text: [text]),
    "a number as text": changed_one(lambda v: is_int(v) or isinstance(v, float), str),
    "an integer as 5.0": changed_one(is_int, float),
    "a whole float as 5": changed_one(lambda v: isinstance(v, float) and v.is_integer(), int),
    "another number": changed_one(lambda v: is_int(v) or isinstance(v, float), lambda number: number + 1),
    "true as 1": changed_one(lambda v: isinstance(v, bool), int),
    "the other truth value": changed_one(lambda v: isinstance(v, bool), lambda value: not value),
    "null": changed_one(lambda v: True, lambda value: None),
    "a list in another order": changed_one(lambda v: isinstance(v, list) and len(v) > 1, lambda v: v[::-1]),
    "a list that is shorter": changed_one(lambda v: isinstance(v, list) and len(v) > 0, lambda v: v[:-1]),
    "texts of a list in capitals": changed_one(
        lambda v: isinstance(v, list) and any(map(is_text, v)),
        lambda v: [item.upper() if is_text(item) else item for item in v],
    ),
    "an unknown key in an object": changed_one(lambda v: isinstance(v, dict), lambda v: {**v, "other_key": 1}),
    "an object without its last key": changed_one(
        lambda v: isinstance(v, dict) and len(v) > 0, lambda v: dict(list(v.items())[:-1])
    ),
}


if __name__ == "__main__":
    main()
