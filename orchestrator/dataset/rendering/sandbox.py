"""Chat templates, run as transformers runs them, in Jinja's sandbox and within bounds.

Templates come with downloaded models, so they are untrusted programs. The sandbox keeps them away from Python, and
the bounds in bounds.py from running for ever and from filling the memory.

What a template finds here is what transformers 5 gives it (`utils/chat_template_utils.py`): trimmed blocks,
`tojson` without HTML escapes, `raise_exception`, `strftime_now`, loop controls and `{% generation %}`. Two things
differ. `strftime_now` always gives the same day, so that a row gives the same tokens in training, in serving and
when a training is resumed. Filters and methods that only pad or format text are missing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import wraps
from typing import Any

from jinja2 import TemplateError, TemplateSyntaxError, meta, nodes
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.runtime import Context, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace
from jinja2.visitor import NodeTransformer

from orchestrator.dataset.rendering.bounds import (
    BUDGET,
    Budget,
    OutOfBoundsError,
    check_filter,
    check_method,
    check_operands,
    concatenation,
    counted,
    joined,
    made,
)
from orchestrator.dataset.rendering.definitions import Definitions
from orchestrator.errors import CannotRender

TODAY = datetime(2025, 1, 1)
"""The day that `strftime_now` gives."""

GENERATION_START, GENERATION_END = "\ufdd2", "\ufdd3"
"""Around the text of a `{% generation %}` block in a marked rendering: noncharacters, which no text should hold."""

LONGEST_TEMPLATE = 1 << 20
"""In characters."""

_FILTERS = """
    abs attr batch capitalize count d default dictsort e escape first float groupby indent int items join last
    length list lower map max min reject rejectattr replace reverse round safe select selectattr slice sort string
    striptags sum title tojson trim truncate unique upper urlencode wordcount
"""
_NO_METHODS = frozenset(
    {"center", "encode", "expandtabs", "format", "format_map", "ljust", "maketrans", "rjust", "translate", "zfill"}
)


class Compiled:
    """A chat template that is ready to run. Raises ValueError, with a sentence, where it is no template."""

    def __init__(self, text: str) -> None:
        if len(text) > LONGEST_TEMPLATE:
            raise ValueError(f"it has {len(text):,} characters, and at most {LONGEST_TEMPLATE:,} are read")
        environment = _environment()
        with_budget = BUDGET.set(Budget())
        try:
            tree = environment.parse(text)
            self.variables = frozenset(meta.find_undeclared_variables(tree))
            """The names that the template reads and does not set."""
            self._template = environment.from_string(_Counting().visit(tree))
        except TemplateSyntaxError as error:
            raise ValueError(f"line {error.lineno}: {error.message}") from None
        except (TemplateError, OutOfBoundsError, RecursionError, MemoryError, SyntaxError) as error:
            raise ValueError(_said_by(error)) from None
        finally:
            BUDGET.reset(with_budget)

    def render(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]] | None,
        *,
        answering: bool,
        marked: bool = False,
        variables: Mapping[str, Any] | None = None,
    ) -> str:
        """The text of a conversation, with the generation prompt if `answering`.

        If `marked`, generation blocks are between GENERATION_START and GENERATION_END. Raises CannotRender.
        """
        given = {**(variables or {}), "messages": messages, "tools": tools, "documents": None}
        budget = BUDGET.set(Budget(tools.texts if isinstance(tools, Definitions) else {}))
        try:
            stream = self._template.generate(given, add_generation_prompt=answering, _marked=marked)
            return joined(stream)
        except Exception as error:
            raise CannotRender(kind="template", reason=_failure(error)) from None
        finally:
            BUDGET.reset(budget)


def _failure(error: Exception) -> str:
    line = _line_of(error)
    at = f"line {line} of the chat template" if line else "the chat template"
    if isinstance(error, _RefusedError):
        return f'{at} says: "{error}"'
    return f"{at} fails: {_said_by(error)}"


def _said_by(error: BaseException) -> str:
    if isinstance(error, RecursionError):
        return "it calls itself without end"
    if isinstance(error, MemoryError):
        return "it needs too much memory"
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def _line_of(error: BaseException) -> int | None:
    """The innermost line of the template; Jinja rewrites the traceback to it."""
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename in ("<template>", "<unknown>"):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


class _RefusedError(TemplateError):
    """The template called raise_exception."""


class _Counting(NodeTransformer):
    """Counts what Jinja's own hooks don't reach: loops, `~` and slices."""

    def visit_For(self, node: nodes.For) -> nodes.For:  # noqa: N802 - Jinja's name
        self.generic_visit(node)
        node.iter = _filtered(node.iter, "_counted")
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Filter:  # noqa: N802 - Jinja's name
        self.generic_visit(node)
        return _filtered(nodes.List(node.nodes, lineno=node.lineno), "_concatenation")

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:  # noqa: N802 - Jinja's name
        self.generic_visit(node)
        return _filtered(node, "_made") if isinstance(node.arg, nodes.Slice) else node


def _filtered(node: nodes.Node, name: str) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


# --- What a template finds ---------------------------------------------------------------------------------------


class _Sandbox(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset({"+", "*", "**", "%"})
    concat = staticmethod(joined)  # what Jinja joins macros and blocks with

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        check_operands(operator, left, right)
        return made(super().call_binop(context, operator, left, right))

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805
        owner = getattr(__obj, "__self__", None)
        if isinstance(owner, str):
            check_method(owner, __obj.__name__, args, kwargs)
        return made(super().call(__context, __obj, *args, **kwargs))

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if type(obj) is _Names:
            return not attr.startswith("_")
        if isinstance(obj, str) and attr in _NO_METHODS:
            return False
        return super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: Any) -> Any:
        if getattr(value, "__name__", "") in _NO_METHODS and isinstance(getattr(value, "__self__", None), str):
            raise SecurityError("a chat template may not format texts")
        return None


class _Generation(Extension):
    """`{% generation %}`: the text that the model writes."""

    tags = {"generation"}  # noqa: RUF012 - Jinja's attribute

    def parse(self, parser: Parser) -> nodes.CallBlock:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        call = self.call_method("_block", [nodes.ContextReference()])
        return nodes.CallBlock(call, [], [], body, lineno=line)

    def _block(self, context: Context, caller: Macro) -> str:
        text = str(caller())
        return f"{GENERATION_START}{text}{GENERATION_END}" if context.get("_marked") else text


class _Names(Namespace):
    """Jinja's namespace without private names, through which a sandbox was left before."""

    def __init__(*args: Any, **kwargs: Any) -> None:
        self, *rest = args
        names = dict(*rest, **kwargs)
        for name in names:
            _check_name(name)
        Namespace.__init__(self, names)

    def __setitem__(self, name: str, value: Any) -> None:
        _check_name(name)
        super().__setitem__(name, value)


def _check_name(name: str) -> None:
    if name.startswith("_"):
        raise SecurityError(f"a chat template may not set the private name {name}")


def _environment() -> _Sandbox:
    environment = _Sandbox(trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols])
    kept_names = frozenset(_FILTERS.split())
    kept = {name: _counting(name, each) for name, each in environment.filters.items() if name in kept_names}
    own = {"_counted": counted, "_concatenation": concatenation, "_made": made}
    environment.filters = {**kept, "tojson": _counting("tojson", _tojson), **own}
    environment.globals = {
        "range": environment.globals["range"],
        "cycler": environment.globals["cycler"],
        "joiner": environment.globals["joiner"],
        "dict": _new_dict,
        "namespace": _Names,
        "raise_exception": _raise_exception,
        "strftime_now": _strftime_now,
    }
    return environment


def _new_dict(*args: Any, **kwargs: Any) -> dict[Any, Any]:
    return dict(*args, **kwargs)


def tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """JSON text as transformers writes it: keys in their order, no HTML escapes."""
    if indent is not None and not (isinstance(indent, int) and 0 <= indent <= 16):
        raise OutOfBoundsError("tojson can indent by 16 at most")
    if separators is not None and any(len(each) > 16 for each in separators):
        raise OutOfBoundsError("tojson takes separators of 16 characters at most")
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _tojson(value: Any, *args: Any, **kwargs: Any) -> str:
    """tojson, that writes each tool definition once."""
    texts = BUDGET.get().texts
    if args or kwargs or id(value) not in texts:
        return tojson(value, *args, **kwargs)
    text = texts[id(value)]
    if text is None:
        text = texts[id(value)] = tojson(value)
    return text


def _raise_exception(message: Any = "") -> None:
    raise _RefusedError(str(message)[:1_000])


def _strftime_now(form: str) -> str:
    return TODAY.strftime(form[:100])


def _counting(name: str, run: Callable[..., Any]) -> Callable[..., Any]:
    """A filter whose calls and results are counted."""

    @wraps(run)
    def filtered(*args: Any, **kwargs: Any) -> Any:
        check_filter(name, args, kwargs)
        return made(run(*args, **kwargs))

    return filtered
