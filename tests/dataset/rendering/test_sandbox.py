"""Chat templates run like in transformers, can't reach Python, and end."""

from __future__ import annotations

import resource
import time
from contextlib import suppress

import pytest

from orchestrator.dataset.rendering.sandbox import GENERATION_END, GENERATION_START, LONGEST_TEMPLATE, Compiled
from orchestrator.errors import CannotRender

HELLO = [{"role": "user", "content": "Hello"}]


def render(text: str, **variables: object) -> str:
    return Compiled(text).render(HELLO, None, answering=True, variables=variables)


def reason(text: str, **variables: object) -> str:
    """Why a template is refused, whether it is read or run."""
    try:
        render(text, **variables)
    except CannotRender as refused:
        return str(refused.facts["reason"])
    except ValueError as refused:
        return str(refused)
    pytest.fail("it was rendered")


# --- As transformers runs it -------------------------------------------------------------------------------------


def test_a_template_finds_messages_tools_and_variables() -> None:
    text = "{{ bos }}{% for m in messages %}{{ m.role }}:{{ m['content'] }}{% endfor %}{{ tools is none }}"
    assert render(text, bos="<s>") == "<s>user:HelloTrue"


def test_blocks_take_their_line_with_them() -> None:
    assert render("a\n  {% if true %}\nb\n  {% endif %}\nc\n") == "a\nb\nc"


def test_json_is_written_as_transformers_writes_it() -> None:
    value = {"b": "<é>&'", "a": [1, 2.5, None, True]}
    assert render("{{ value | tojson }}", value=value) == '{"b": "<é>&\'", "a": [1, 2.5, null, true]}'
    assert render("{{ value | tojson(ensure_ascii=true, sort_keys=true) }}", value={"b": "é", "a": 1}) == (
        '{"a": 1, "b": "\\u00e9"}'
    )
    assert render("{{ [1] | tojson(indent=2) }}") == "[\n  1\n]"
    assert render("{{ [1, 2] | tojson(separators=(',', ':')) }}") == "[1,2]"


def test_loops_can_break_and_continue_and_look_around() -> None:
    text = "{% for i in range(9) %}{% if i == 1 %}{% continue %}{% endif %}{% if i == 4 %}{% break %}{% endif %}"
    assert render(text + "{{ i }}{% endfor %}") == "023"
    around = (
        "{% for i in 'abc' %}{{ loop.index }}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.last }} {% endfor %}"
    )
    assert render(around) == "1bFalse 2acFalse 3bTrue "
    assert render("{% for k, v in x.items() %}{{ k }}{{ v }}{{ loop.length }}{% endfor %}", x={"a": 1}) == "a11"
    assert render("{% for x in missing %}x{% else %}none{% endfor %}") == "none"


def test_the_day_is_always_the_same() -> None:
    assert render("{{ strftime_now('%Y-%m-%d') }}") == "2025-01-01"


def test_generation_blocks_are_marked_where_marks_are_asked_for() -> None:
    compiled = Compiled("a{% generation %}b{% endgeneration %}c")
    assert compiled.render(HELLO, None, answering=False) == "abc"
    marked = compiled.render(HELLO, None, answering=False, marked=True)
    assert marked == f"a{GENERATION_START}b{GENERATION_END}c"


def test_namespaces_and_macros_work() -> None:
    text = "{% set ns = namespace(x='a') %}{% macro m(y) %}{{ ns.x ~ y }}{% endmacro %}"
    assert render(text + "{% set ns.x = 'b' %}{{ m('c') }}{{ 'x-y'.split('-')[1:] | join }}") == "bcy"


def test_what_raises_an_exception_says_so_with_its_line() -> None:
    text = "{% for m in messages %}\n{{ raise_exception('Roles must alternate!') }}\n{% endfor %}"
    assert reason(text) == 'line 2 of the chat template says: "Roles must alternate!"'


def test_a_mistake_in_a_template_is_told_with_its_line() -> None:
    assert reason("a\n\n{{ 'a' + 1 }}") == (
        'line 3 of the chat template fails: can only concatenate str (not "int") to str'
    )
    assert reason("a\n{% if %}") == "line 2: Expected an expression, got 'end of statement block'"
    assert reason("{{ x | nothing }}").startswith("line 1: No filter named 'nothing'")
    assert reason("a" * (LONGEST_TEMPLATE + 1)) == "it has 1,048,577 characters, and at most 1,048,576 are read"


# --- Hostile -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.__init__.__globals__ }}",
        "{{ raise_exception.__globals__['__builtins__'] }}",
        "{{ strftime_now.__globals__ }}",
        "{{ dict.__init__ }}{{ dict.__globals__ }}",
        "{{ cycler.__init__.__globals__.os }}",
        "{{ namespace.__init__.__globals__ }}",
        "{{ ''['__class__'] }}{{ (''|attr('__class__')).x }}",
        "{{ self.__init__.__globals__ }}",
        "{% set ns = namespace() %}{% set ns.__class__ = 1 %}",
        "{{ namespace(__class__=1) }}",
        "{{ namespace({'__class__': 1}) }}",
        "{% for x in [1] %}{{ loop._iterator.__class__ }}{% endfor %}",
        "{{ messages.append(1) }}",
        "{{ messages[0].update({}) }}",
        "{{ '{0.__class__}'.format(1) }}",
        "{{ '{x.__class__}'.format_map({'x': 1}) }}",
        "{{ ('{0.__class__}'|attr('format'))(1) }}",
        "{{ '%s' | format(1) }}",
        "{{ lipsum() }}",
        "{% include 'x' %}",
        "{% import 'os' as os %}",
        "{% extends '/etc/passwd' %}",
        "{{ range.__self__ }}",
        "{{ messages | attr('__class__') }}",
        "{{ (messages | map(attribute='__class__') | first).x }}",
        "{{ x.y.z }}",
    ],
)
def test_a_template_can_not_reach_python(text: str) -> None:
    with suppress(CannotRender, ValueError):
        assert render(text) == "", "what is out of reach is undefined, and an undefined value is printed as nothing"


ENDLESS = [
    "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}",
    "{% for a in range(10) recursive %}{{ loop(range(10)) }}{% endfor %}",
    "{{ range(10**9) }}",
    "{{ range(100000) | map('string') | map('upper') | list | length }}" * 50,
    "{% set x = 'ab' * 4000000 %}{% for i in range(100000) %}{% if x == x ~ 'c' %}{% endif %}{% endfor %}",
    "{% set x = 'ab' * 4000000 %}{% for i in range(100000) %}{% set y = x[1:] %}{% endfor %}",
    "{% for i in range(100000) %}{% set y = x | replace('a', 'b') | upper | trim %}{% endfor %}",
]
HUGE = [
    "{{ 'a' * 10**9 }}",
    "{{ 10**9 * 'a' }}",
    "{{ [0] * 10**9 }}",
    "{{ (1, 2) * 10**9 }}",
    "{% set x = 9 ** 9 ** 9 %}",
    "{% set ns = namespace(x=9) %}{% for i in range(60) %}{% set ns.x = ns.x * ns.x %}{% endfor %}",
    "{% set ns = namespace(x='a') %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
    "{% set ns = namespace(x='a') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
    "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
    "{% set n = namespace(x='a') %}{% for i in range(60) %}{% set n.x %}{{ n.x }}{{ n.x }}{% endset %}{% endfor %}",
    "{% macro m(x) %}{{ x }}{{ x }}{% endmacro %}{% set ns = namespace(x='a') %}"
    "{% for i in range(60) %}{% set ns.x = m(ns.x) %}{% endfor %}",
    "{% set x = 'a' * 1000000 %}{% for i in range(100000) %}{{ x }}{% endfor %}",
    "{% macro m() %}{% for i in range(100000) %}{{ x }}{% endfor %}{% endmacro %}{{ m() | length }}",
    "{% set n = namespace(x='a') %}{% for i in range(30) %}{% set n.x = n.x.replace('a', n.x ~ 'a') %}{% endfor %}",
    "{% set n = namespace(x='aa') %}{% for i in range(30) %}{% set n.x = n.x | replace('a', n.x) %}{% endfor %}",
    "{{ x.join(range(100000)) }}",
    "{{ range(100000) | join(x) }}",
    "{{ x | replace('', x) }}",
    "{{ 'a'.ljust(10**10) }}",
    "{{ 'a'.zfill(10**10) }}",
    "{{ 'a'.center(10**10) }}",
    "{{ '\t'.expandtabs(10**10) }}",
    "{{ '%01000000000d' % 1 }}",
    "{{ '%*d' % (10**9, 1) }}",
    "{{ '{:1000000000}'.format(1) }}",
    "{{ ('a\n' * 100000) | indent(10**6) }}",
    "{{ ('a\n' * 100000) | indent(x) }}",
    "{{ [[1] * 1000] | tojson(indent=10**6) }}",
    "{{ ([1] * 100000) | tojson(separators=(x, x)) }}",
    "{{ [1] | batch(10**9, 0) | list }}",
    "{{ [1] | slice(10**9) | list }}",
    "{{ 'a' | truncate(10**9) }}{{ 'a' | center(10**9) }}",
    "{{ ('\x01' * 4000000) | tojson }}",
    "{% for i in range(100000) %}{{ raise_exception is defined }}{{ x }}{% endfor %}",
]


@pytest.mark.parametrize("text", [*ENDLESS, *HUGE], ids=range(len(ENDLESS) + len(HUGE)))
def test_a_template_can_not_run_for_ever_or_fill_the_memory(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.dataset.rendering.bounds.MOST_SECONDS", 0.2)
    before, start = peak(), time.monotonic()
    assert reason(text, x="a%é\n" * 100_000)
    assert time.monotonic() - start < 5
    assert peak() - before < 400


@pytest.mark.parametrize(
    ("bound", "value", "text", "said"),
    [
        ("MOST_STEPS", 1_000, "{% for i in range(2000) %}{% endfor %}", "it takes more than 1,000 steps"),
        ("MOST_STEPS", 1_000, "{{ messages | length }}" * 1_001, "it takes more than 1,000 steps"),
        ("MOST_STEPS", 1_000, "{{ 'a'.upper() }}" * 1_001, "it takes more than 1,000 steps"),
        (
            "MOST_CHARACTERS",
            1_000,
            "{% for i in range(99) %}{% set y = 'a' * 99 %}{% endfor %}",
            "more than 1,000 characters in all",
        ),
        ("LONGEST_VALUE", 1_000, "{{ 'a' * 1001 }}", "it makes a text of 1,001 characters; 1,000 are allowed"),
        ("MOST_SECONDS", 0.0, "{% for i in range(99) %}{% endfor %}", "it takes longer than 0 s"),
    ],
)
def test_each_bound_holds_alone(
    bound: str, value: float, text: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = Compiled(text)
    compiled.render(HELLO, None, answering=False)
    monkeypatch.setattr(f"orchestrator.dataset.rendering.bounds.{bound}", value)
    with pytest.raises(CannotRender, match=said):
        compiled.render(HELLO, None, answering=False)


def peak() -> int:
    """The most memory that this process had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def test_the_bounds_leave_room_for_long_conversations() -> None:
    messages = [{"role": "user", "content": "A sentence of some length. " * 40} for _ in range(400)]
    text = (
        "{% for m in messages %}{% set ns = namespace(n=0) %}"
        "{% for k in range(loop.index0) %}{% set ns.n = ns.n + 1 %}{% endfor %}"
        "{{ m.role ~ ns.n ~ m.content | trim }}{% endfor %}"
    )
    assert len(Compiled(text).render(messages, None, answering=False)) > 400_000
