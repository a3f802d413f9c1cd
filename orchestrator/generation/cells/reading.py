"""Read the choices of a function's schema."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import chain, combinations
from typing import Any

import orjson

from orchestrator.dataset.checking.schemas import InvalidSchema, Parameters, parameters_of
from orchestrator.errors import FunctionNotEnumerable
from orchestrator.generation.calls import Function
from orchestrator.generation.cells import patterns, plausible, ranges
from orchestrator.generation.cells.chance import Chance
from orchestrator.generation.cells.choices import (
    Absent,
    Aspect,
    Bounded,
    Choice,
    Choices,
    Factor,
    Fixed,
    Items,
    Members,
    Note,
    Unsupported,
    Words,
)
from orchestrator.generation.cells.resolving import (
    MOST_DEPTH,
    Flat,
    Impossible,
    Resolver,
    TooDeep,
    Union,
    as_json,
    types_of,
)

MOST_FACTORS = 500
"""Of one function; the rest are left out and reported."""
MOST_LEVELS = 24
"""Of nesting."""
MOST_ITEMS = 10
"""An array longer than this does not fit in one request, so its maximum length is not a choice."""
MOST_CHARACTERS = 60
"""A text longer than this does not fit in one request, so its maximum length is not a choice."""
LONGEST_LABEL = 120

_MOST_REQUIRED_ITEMS = 100
_MOST_REQUIRED_CHARACTERS = 5000
_MORE_ITEMS = 2
_ONLY_CHECKED = {
    **dict.fromkeys(("not", "if", "contains", "propertyNames", "patternProperties"), True),
    **dict.fromkeys(("dependentSchemas", "dependencies", "unevaluatedProperties", "unevaluatedItems"), True),
    **dict.fromkeys(("additionalItems", "$dynamicRef", "$recursiveRef"), True),
    **dict.fromkeys(("minProperties", "maxProperties", "dependentRequired"), False),
}
"""Keywords that give no choices: each form is checked against them. True: noted."""
_SPEAKS_OF_TYPE = {
    **dict.fromkeys(("properties", "required", "additionalProperties", "minProperties"), "object"),
    **dict.fromkeys(("items", "prefixItems", "minItems", "maxItems", "uniqueItems"), "array"),
    **dict.fromkeys(("minLength", "maxLength", "pattern", "format"), "string"),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"), "number"),
}


def choices_of(function: Function) -> Choices:
    """The choices of the function's schema. Raises FunctionNotEnumerable if the schema is invalid."""
    try:
        text = orjson.dumps(function.schema)
    except (TypeError, ValueError) as error:
        raise FunctionNotEnumerable(
            name=function.name, problem=f"its parameters are not JSON: {error}", fix="Correct its definition"
        ) from None
    return _remembered(function.name, text)


@lru_cache(maxsize=512)
def _remembered(name: str, text: bytes) -> Choices:
    schema = orjson.loads(text)
    try:
        parameters = parameters_of(schema)
    except InvalidSchema as error:
        problem, fix = f"its parameters are not a valid JSON Schema: {error.problem}", "Correct its definition"
        raise FunctionNotEnumerable(name=name, problem=problem, fix=fix) from None
    return _Reader(name, schema).choices(parameters)


class _Reader:
    """Reads one schema, and notes the parts that it does not make."""

    def __init__(self, function: str, root: Mapping[str, Any]) -> None:
        self.function = function
        self.root = root
        self.resolver = Resolver(root)
        self.notes: dict[Note, None] = {}
        self.needs_trial = False
        self.factors = 0

    def choices(self, parameters: Parameters) -> Choices:
        found = self.at({"allOf": [{"type": "object"}, self.root]}, "", ("#",), "")
        if not found:
            self.note("", "type", "no arguments fit, so no call of the function is made")
        root = Factor("", found) if found else None
        return Choices(self.function, root, tuple(self.notes), self.needs_trial, parameters)

    def note(self, pointer: str, keyword: str, problem: str) -> None:
        self.notes[Unsupported(self.function, pointer, keyword, problem)] = None

    def at(self, schema: Any, pointer: str, trail: tuple[str, ...], name: str) -> tuple[Choice, ...]:
        """The choices for the value at `pointer`; none, with a note, if no value can be made."""
        self.factors += 1
        levels = pointer.count("/")
        if levels > MOST_LEVELS or self.factors > MOST_FACTORS:
            self.notes[Bounded(self.function, pointer, levels - 1)] = None
            return ()
        try:
            return self.of(self.resolver.flat(schema, trail), pointer, name)
        except TooDeep:
            self.notes[Bounded(self.function, pointer, MOST_DEPTH)] = None
        except Impossible as error:
            self.note(pointer, error.keyword, error.problem)
        return ()

    def of(self, value: Flat, pointer: str, name: str) -> tuple[Choice, ...]:
        self.look_for_what_is_only_checked(value, pointer)
        if value.unions:
            return self.branches(value, pointer, name)
        keywords = value.keywords
        if "const" in keywords:
            fitting = self.fitting(value, [keywords["const"]], pointer, "const")
            return tuple(Choice("any", Fixed(one)) for one in fitting)
        if "enum" in keywords:
            return self.listed(value, pointer)
        types = types_of(keywords["type"]) if "type" in keywords else [self.type_of(keywords, pointer)]
        types = [kind for kind in types if kind != "integer" or "number" not in types]
        if len(types) > 1:
            union = Union("anyOf", tuple({"type": kind} for kind in types))
            return self.branches(Flat(keywords, (union,), value.trail), pointer, name)
        return self.typed(types[0], value, pointer, name)

    def look_for_what_is_only_checked(self, value: Flat, pointer: str) -> None:
        for keyword in (*(word for word in value.keywords if word in _ONLY_CHECKED), *sorted(value.loose)):
            self.needs_trial = True
            if _ONLY_CHECKED.get(keyword, True) and keyword != "additionalProperties":
                self.note(pointer, keyword, "it gives no choices; each call is checked against it")

    def type_of(self, keywords: Mapping[str, Any], pointer: str) -> str:
        for keyword in keywords:
            if keyword in _SPEAKS_OF_TYPE:
                return _SPEAKS_OF_TYPE[keyword]
        self.note(pointer, "type", "it is missing, so strings are made")
        return "string"

    def typed(self, kind: str, value: Flat, pointer: str, name: str) -> tuple[Choice, ...]:
        if kind == "boolean":
            values = ((True, "true"), (False, "false"))
            return tuple(Choice(label, Fixed(is_so), frozenset((Aspect.BOOLEAN,))) for is_so, label in values)
        if kind == "null":
            return (Choice("null", Fixed(None), frozenset((Aspect.BRANCH,))),)
        if kind in ("integer", "number"):
            said = self.said(value, pointer)
            return ranges.numbers(value.keywords, name, integer=kind == "integer", said=said)
        if kind == "string":
            return self.strings(value, pointer, name)
        return self.array(value, pointer, name) if kind == "array" else self.object(value, pointer)

    # --- Fixed values ---

    def listed(self, value: Flat, pointer: str) -> tuple[Choice, ...]:
        values = list({as_json(one): one for one in value.keywords["enum"]}.values())
        fitting = self.fitting(value, values, pointer, "enum")
        if any(len(as_json(one)) > LONGEST_LABEL for one in fitting):
            self.note(pointer, "enum", "some values are longer than people would say; they are used anyway")
        return tuple(Choice(label_of(one), Fixed(one), frozenset((Aspect.ENUM,))) for one in fitting)

    def fitting(self, value: Flat, values: Sequence[Any], pointer: str, keyword: str) -> list[Any]:
        """The `values` that the other keywords allow; the others are noted."""
        valid = self.validator(value)
        fitting = [one for one in values if valid is None or valid(one)]
        if len(fitting) < len(values):
            first = next(one for one in values if one not in fitting)
            self.note(
                pointer, keyword, f"{label_of(first)} breaks another rule of the same schema, and is left out"
            )
        return fitting

    def said(self, value: Flat, pointer: str) -> tuple[Any, ...]:
        examples = value.keywords.get("examples", ())
        said = [*(examples if isinstance(examples, list) else ()), *_listed(value.keywords, "default", "example")]
        if not said:
            return ()
        valid = self.validator(value)
        return tuple(one for one in said if (valid is None or valid(one)) and len(as_json(one)) <= 200)

    def validator(self, value: Flat) -> Any:
        import jsonschema_rs

        schema = {**{name: self.root[name] for name in ("$defs", "definitions") if name in self.root}}
        schema |= {name: rule for name, rule in value.keywords.items() if name not in ("$schema", "$id")}
        try:
            return jsonschema_rs.Draft202012Validator(schema, offline=True).is_valid
        except ValueError:
            self.needs_trial = True  # a reference that resolves only within the whole schema
            return None

    # --- Branches ---

    def branches(self, value: Flat, pointer: str, name: str) -> tuple[Choice, ...]:
        union, rest = value.unions[0], value.unions[1:]
        if union.keyword == "oneOf" and not _are_apart(union.branches):
            self.needs_trial = True
        base = dict(value.keywords)
        for left in rest:
            base = {**base, "allOf": [*base.get("allOf", ()), {left.keyword: list(left.branches)}]}
        found: list[tuple[int, tuple[Choice, ...]]] = []
        for number, branch in enumerate(union.branches):
            choices = self.at({"allOf": [branch, base]}, pointer, value.trail, name)
            found.append((number, choices))
        nulls = [number for number, choices in found if [choice.label for choice in choices] == ["null"]]
        others = [(number, choices) for number, choices in found if choices and number not in nulls]
        null = (Choice("null", Fixed(None), frozenset((Aspect.BRANCH,))),) if nulls else ()
        if len(others) == 1:
            return _named_apart((*others[0][1], *null))
        return _named_apart(
            (*chain.from_iterable(_of_branch(number, choices) for number, choices in others), *null)
        )

    # --- Texts ---

    def strings(self, value: Flat, pointer: str, name: str) -> tuple[Choice, ...]:
        keywords = value.keywords
        low, high = keywords.get("minLength", 0), keywords.get("maxLength")
        said = self.said(value, pointer)
        if (high is not None and low > high) or low > _MOST_REQUIRED_CHARACTERS:
            raise Impossible("minLength", f"texts of {low} or more characters are not made")
        if "pattern" in keywords:
            return self.by_pattern(value, pointer, said)
        form = keywords.get("format", "")
        if form and not plausible.is_known_format(form):
            self.note(pointer, "format", f"{form} is unknown; texts are made from the parameter's name")
        kind = plausible.kind_of(name, _description(keywords), form)
        if form and plausible.is_known_format(form):
            if "minLength" in keywords or "maxLength" in keywords:
                self.needs_trial = True
            return (Choice("any", Words(kind, 0, _MOST_REQUIRED_CHARACTERS, said=said)),)
        return self.by_length(kind, low, high, pointer, keywords, said)

    def by_length(
        self,
        kind: str,
        low: int,
        high: int | None,
        pointer: str,
        keywords: Mapping[str, Any],
        said: tuple[Any, ...],
    ) -> tuple[Choice, ...]:
        boundary = frozenset((Aspect.BOUNDARY,))
        most = high if high is not None else max(MOST_CHARACTERS, low + MOST_CHARACTERS)
        ends = []
        if low > 0 and low != high:
            ends.append(Choice("min", Words(kind, low, low), boundary))
        if high is not None and high <= MOST_CHARACTERS and high not in (low, 0):
            ends.append(Choice("max", Words(kind, high, high), boundary))
        elif high is not None and high > MOST_CHARACTERS:
            self.note(
                pointer, "maxLength", f"{high} characters are too long for a request, so this length is left out"
            )
        inner_low, inner_high = low + (low > 0 and bool(ends)), most - any(end.label == "max" for end in ends)
        if inner_low <= inner_high and not (ends and inner_high < 1):
            fitting = tuple(text for text in said if inner_low <= len(text) <= inner_high)
            ends.append(Choice("any", Words(kind, max(inner_low, min(1, inner_high)), inner_high, said=fitting)))
        return tuple(ends)

    def by_pattern(self, value: Flat, pointer: str, said: tuple[Any, ...]) -> tuple[Choice, ...]:
        pattern, valid = value.keywords["pattern"], self.validator(value)
        self.needs_trial = True
        try:
            maker = patterns.maker_of(pattern)
            drawn = [maker(Chance(b"pattern %d" % number)) for number in range(40)]
            if valid is None or any(map(valid, drawn)):
                return (Choice("any", Words("pattern", 0, _MOST_REQUIRED_CHARACTERS, maker, said)),)
            problem = "no text made for it fits the rest of the schema"
        except patterns.UnsupportedPattern as error:
            problem = f"texts for {label_of(pattern)} can't be made: {error}"
        if said:
            self.note(pointer, "pattern", f"{problem}; only the schema's examples are used")
            return (Choice("any", Words("examples", 0, _MOST_REQUIRED_CHARACTERS, None, said)),)
        raise Impossible("pattern", f"{problem}; give examples in the schema")

    # --- Arrays and objects ---

    def array(self, value: Flat, pointer: str, name: str) -> tuple[Choice, ...]:
        keywords = value.keywords
        low, high, unique = keywords.get("minItems", 0), keywords.get("maxItems"), bool(keywords.get("uniqueItems"))
        if (high is not None and low > high) or low > _MOST_REQUIRED_ITEMS:
            raise Impossible("minItems", f"arrays of {low} or more items are not made")
        prefix, rest = keywords.get("prefixItems", ()), keywords.get("items", True)
        if isinstance(rest, list):  # a prefix, in drafts before 2020-12
            prefix, rest = rest, keywords.get("additionalItems", True)
        first = self.prefix(prefix[:high], pointer, value.trail, name)
        complete = len(first) == len(prefix[:high])
        item = None
        if complete and rest is not False and high != len(first) and not (prefix and low <= len(first)):
            described = {"description": _description(keywords)}
            rest = {**described, **rest} if isinstance(rest, dict) else {**described, "type": "string"}
            item = self.item(rest, f"{pointer}/{len(first)}", value.trail, name)
        self.needs_trial |= unique
        return self.sizes(first, item, low, high, unique, pointer)

    def prefix(self, parts: Sequence[Any], pointer: str, trail: tuple[str, ...], name: str) -> tuple[Factor, ...]:
        """The factors of the first items, up to the first that can't be made."""
        factors: list[Factor] = []
        for number, part in enumerate(parts):
            factor = self.item(part, f"{pointer}/{number}", trail, name)
            if factor is None:
                break
            factors.append(factor)
        return tuple(factors)

    def item(self, schema: Any, pointer: str, trail: tuple[str, ...], name: str) -> Factor | None:
        found = self.at(schema, pointer, trail, name.removesuffix("s"))
        return Factor(pointer, found) if found else None

    def sizes(
        self,
        prefix: tuple[Factor, ...],
        item: Factor | None,
        low: int,
        high: int | None,
        unique: bool,
        pointer: str,
    ) -> tuple[Choice, ...]:
        reach = MOST_ITEMS if high is None else high
        most = min(max(reach, low), _most_items(prefix, item, unique))
        if low > most:
            raise Impossible("minItems", f"{low} items are required, and at most {most} can be made")
        boundary = frozenset((Aspect.BOUNDARY,))
        sizes: dict[str, tuple[int, int]] = {"empty" if low == 0 else "min": (low, low)}
        if high is not None and most > low and most <= MOST_ITEMS:
            sizes["max"] = (most, most)
        elif high is not None and most > MOST_ITEMS:
            self.note(pointer, "maxItems", f"{high} items are too many for a request, so this length is left out")
        inner = (low + 1, most - ("max" in sizes))
        if inner[0] <= inner[1]:
            usual = max(inner[0], min(inner[1], len(prefix) or 1))
            sizes["any"] = (usual, min(inner[1], usual + _MORE_ITEMS))
        if list(sizes) == ["min"]:
            sizes = {"any": sizes["min"]}
        return tuple(
            Choice(
                label,
                Items(prefix[: span[0]], item if span[1] > len(prefix) else None, *span, unique)
                if span[1]
                else Fixed([]),
                frozenset() if label == "any" else boundary,
            )
            for label, span in sizes.items()
        )

    def object(self, value: Flat, pointer: str) -> tuple[Choice, ...]:
        keywords = value.keywords
        properties, required = keywords.get("properties", {}), keywords.get("required", ())
        others = keywords.get("additionalProperties", True)
        undeclared = {name: others for name in required if name not in properties}
        members: list[tuple[str, Factor]] = []
        for name, schema in {**properties, **undeclared}.items():
            inner = f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}"
            choices = self.at(schema, inner, value.trail, name)
            if name in required and not choices:
                raise Impossible("required", f"no value can be made for the required {name}")
            if name not in required:
                choices = (Choice("absent", Absent()), *_present(choices))
            members.append((name, Factor(inner, choices)))
        if not members and isinstance(others, dict) and others:
            return self.open_object(others, value, pointer)
        if not members and others is not False and pointer and not properties:
            self.note(pointer, "properties", "it is missing, so only the empty object is made")
        return (Choice("present", Members(tuple(members))),)

    def open_object(self, others: dict[str, Any], value: Flat, pointer: str) -> tuple[Choice, ...]:
        """An object whose members have no declared names."""
        low, high = value.keywords.get("minProperties", 0), value.keywords.get("maxProperties", MOST_ITEMS)
        found = self.at(others, f"{pointer}/*", value.trail, "")
        choices: list[Choice] = []
        if low == 0:
            choices.append(Choice("empty", Members(()), frozenset((Aspect.BOUNDARY,))))
        if found and high > 0:
            count = max(min(low, MOST_ITEMS), min(2, high))
            choices.append(Choice("any", Members((), Factor(f"{pointer}/*", found), count)))
        return tuple(choices)


def label_of(value: Any) -> str:
    """A value as JSON text; a long one is shortened and gets a hash to keep it unique."""
    text = json.dumps(value, ensure_ascii=False, separators=(", ", ": "))
    if len(text) <= LONGEST_LABEL:
        return text
    return f"{text[: LONGEST_LABEL - 20]}… {hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _description(keywords: Mapping[str, Any]) -> str:
    return str(keywords.get("description", ""))


def _listed(keywords: Mapping[str, Any], *names: str) -> list[Any]:
    return [keywords[name] for name in names if name in keywords]


def _present(choices: tuple[Choice, ...]) -> tuple[Choice, ...]:
    """The choices of a given optional parameter; a single one is called "present"."""
    if len(choices) != 1 or Aspect.ENUM in choices[0].aspects:
        return choices
    return (Choice("present", choices[0].content, choices[0].aspects),)


def _of_branch(number: int, choices: tuple[Choice, ...]) -> Iterable[Choice]:
    for choice in choices:
        label = f"branch {number}" if len(choices) == 1 else f"branch {number} {choice.label}"
        yield Choice(label, choice.content, choice.aspects | {Aspect.BRANCH})


def _named_apart(choices: tuple[Choice, ...]) -> tuple[Choice, ...]:
    return tuple({choice.label: choice for choice in choices}.values())


def _most_items(prefix: tuple[Factor, ...], item: Factor | None, unique: bool) -> int:
    if item is None:
        return len(prefix)
    if unique and all(isinstance(choice.content, Fixed) for choice in item.choices):
        return len(prefix) + len(item.choices)
    return 1 << 30


def _are_apart(branches: tuple[Any, ...]) -> bool:
    """Whether no value can fit two branches: their types differ, or the values of a required member."""
    return all(_differ(one, other) for one, other in combinations(branches, 2))


def _differ(one: Any, other: Any) -> bool:
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return False
    if "type" in one and "type" in other:
        ours, theirs = set(types_of(one["type"])), set(types_of(other["type"]))
        if not ours & theirs and {"integer", "number"} - ours - theirs:
            return True
    shared = set(one.get("required", ())) & set(other.get("required", ()))
    tags = ((_tags(one, name), _tags(other, name)) for name in shared)
    return any(ours and theirs and not ours & theirs for ours, theirs in tags)


def _tags(schema: dict[str, Any], name: str) -> set[str]:
    """The values that the schema allows for a member, if it lists them."""
    member = schema.get("properties", {}).get(name)
    if not isinstance(member, dict):
        return set()
    return {as_json(value) for value in ([member["const"]] if "const" in member else member.get("enum", ()))}
