"""What `ftorch ask` shows: each prompt with the calls of the base and the tuned model, and a summary."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console

from orchestrator.chat.asking import Plan, Row, Shown, ShownCall
from orchestrator.reports.chat import print_terms, visible
from orchestrator.reports.text import money, plural, print_wrapped, printable

_LONGEST_TEXT = 600


def print_ask_plan(plan: Plan, console: Console) -> None:
    """Which models are asked what, and what it may cost."""
    width = max(map(len, plan.labels))
    for label, target in zip(plan.labels, plan.targets, strict=True):
        name = printable(target.model)
        what = f"{label:{width}}  {name}" if label != target.model else name
        console.print(f"{printable(what)} on {target.config.name}", style="bold", soft_wrap=True)
    print_terms(plan.terms, plan.targets[-1], console)
    if len(plan.targets) == 1 and plan.targets[0].is_base:
        print_wrapped("Not trained yet: only the base model is asked.", console, indent="  ", hanging="")
    print_wrapped(_requests(plan), console, indent="", hanging="  ")


def _requests(plan: Plan) -> str:
    count, models = len(plan.prompts.texts), len(plan.targets)
    source = {"": "the argument", "-": "standard input"}.get(plan.prompts.source, printable(plan.prompts.source))
    said = (
        f"{plural(count, 'prompt')} from {source}, {plural(models, 'model')}: {plural(count * models, 'request')}"
    )
    price = plan.price
    if price is None:
        return said
    cost = "cost unknown" if price.usd is None else f"about {money(price.usd)}"
    return f"{said}, about {price.prompt_tokens:,} prompt tokens, {cost}"


def print_rows(rows: Sequence[Row], labels: Sequence[str], console: Console) -> None:
    """Each prompt with its answers, then the summary."""
    width = max(map(len, labels))
    for row in rows:
        mark = "  (different)" if row.differs else ""
        _print(f"{visible(row.prompt)}{mark}", console, "", "  ", style="bold")
        for answer in row.answers:
            lines = list(_lines(answer))
            for number, line in enumerate(lines):
                label = answer.label if number == 0 else ""
                _print(line, console, f"  {printable(label):{width}}  ", " " * (width + 6))
        console.print()
    for line in summary(rows, labels):
        print_wrapped(line, console, indent="", hanging="  ")


def _print(text: str, console: Console, first: str, hanging: str, style: str | None = None) -> None:
    if not console.is_terminal:
        console.print(f"{first}{text}", soft_wrap=True, style=style)
        return
    lines = textwrap.wrap(
        text, console.width, initial_indent=first, subsequent_indent=hanging, break_on_hyphens=False
    )
    for line in lines or [first]:
        console.print(line, soft_wrap=True, style=style)


def _lines(shown: Shown) -> Iterator[str]:
    if shown.answer is None:
        yield f"no answer: {visible(shown.error)}"
        return
    for call in shown.calls:
        yield visible(call.written)
        if call.problem:
            yield f"invalid: {visible(call.problem)}"
    text = shown.answer.text
    if text or not shown.calls:
        kind = "refused: " if shown.answer.refused else ""
        short = text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]} …"
        yield f'{kind}"{visible(short)}"' if text else f"{kind}(no call and no text)"
    if shown.answer.cut:
        yield "(cut at the token limit)"


def summary(rows: Sequence[Row], labels: Sequence[str]) -> list[str]:
    """Calls and invalid ones of each model, and how many prompts got different calls."""
    found = [f"{label}: {_counted(_calls(rows, number))}" for number, label in enumerate(labels)]
    lines = [f"{plural(len(rows), 'prompt')}. {'; '.join(map(printable, found))}."]
    if len(labels) > 1:
        different = sum(row.differs for row in rows)
        lines[0] += f" {different} of {len(rows)} differ."
    failed = sum(shown.answer is None for row in rows for shown in row.answers)
    return [*lines, f"{plural(failed, 'request')} got no answer."] if failed else lines


def _calls(rows: Sequence[Row], number: int) -> list[ShownCall]:
    return [call for row in rows for call in row.answers[number].calls]


def _counted(calls: Sequence[ShownCall]) -> str:
    return f"{plural(len(calls), 'call')}, {sum(bool(call.problem) for call in calls)} invalid"


def tokens_line(rows: Sequence[Row]) -> str:
    """What the answers took."""
    answers = [shown.answer for row in rows for shown in row.answers if shown.answer]
    prompt, completion = (
        sum(each.prompt_tokens for each in answers),
        sum(each.completion_tokens for each in answers),
    )
    return f"{plural(len(answers), 'request')}, {prompt:,} prompt and {completion:,} completion tokens"


# --- The object behind `ftorch ask --json` ------------------------------------------------------------------------


def ask_object(plan: Plan, rows: Sequence[Row]) -> dict[str, Any]:
    """Everything that was asked and answered."""
    return {
        "endpoint": plan.targets[0].config.name,
        "models": [
            {"label": label, "model": target.model, "run": target.run.id if target.run else None}
            for label, target in zip(plan.labels, plan.targets, strict=True)
        ],
        "tools": [tool.name for tool in plan.terms.tools],
        "tools_from": plan.terms.tools_from or None,
        "variant": plan.terms.variant,
        "system": plan.terms.system["content"] if plan.terms.system else None,
        "prompts_from": plan.prompts.source or None,
        "prompts": [
            {
                "prompt": row.prompt,
                "differs": row.differs,
                "answers": [_answer_object(each) for each in row.answers],
            }
            for row in rows
        ],
        "summary": {
            "prompts": len(rows),
            "differ": sum(row.differs for row in rows),
            "calls": {label: len(_calls(rows, number)) for number, label in enumerate(plan.labels)},
            "invalid": {
                label: sum(bool(call.problem) for call in _calls(rows, number))
                for number, label in enumerate(plan.labels)
            },
        },
        "notes": list(plan.terms.notes),
    }


def _answer_object(shown: Shown) -> dict[str, Any]:
    answer = shown.answer
    return {
        "label": shown.label,
        "model": shown.model,
        "kind": shown.kind,
        "calls": [
            {
                "name": call.name,
                "arguments": call.arguments,
                "call": call.written,
                "invalid": call.problem or None,
            }
            for call in shown.calls
        ],
        "text": answer.text if answer else None,
        "cut": answer.cut if answer else False,
        "error": shown.error or None,
        "prompt_tokens": answer.prompt_tokens if answer else None,
        "completion_tokens": answer.completion_tokens if answer else None,
    }
