"""The options of commands that list runs or their models: which, in what order, and how much of them is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from orchestrator.cli.completion import complete_endpoint
from orchestrator.cli.times import parse_since
from orchestrator.spelling import did_you_mean

if TYPE_CHECKING:
    from orchestrator.store.listing import Listing

Command = Callable[..., None]
STATES = (
    *("pending", "uploading", "creating", "queued", "running", "paused"),
    *("collecting", "unknown", "succeeded", "failed", "cancelled"),
)
"""The same as `runs.states.State`, which would load the database."""
SORTS = ("created", "updated", "finished", "duration", "cost", "loss", "valid", "name", "state", "endpoint", "base")
"""The same as `store.listing.SORTS`, which would load the database."""
FILTERS = ("--endpoint", "--model", "--tag", "--since", "--mine", "--archived", "--sort", "--reverse")
WINDOW = ("--limit", "--all", "--columns", "--ids")
_ONE_SCREEN = 20

_state = click.option(
    *("--state", "states"),
    type=click.Choice(STATES),
    metavar="STATE",
    multiple=True,
    help="Only in this state, such as running or failed (repeatable).",
)


@dataclass(frozen=True)
class Filters:
    """What the user chose: `chosen` has fields of a `Listing`, and only those that were given."""

    chosen: Mapping[str, Any]
    is_mine: bool

    @property
    def is_any(self) -> bool:
        """Whether a filter or an order was given."""
        return bool(self.chosen) or self.is_mine

    def listing(self) -> Listing:
        """The chosen ones among all that are recorded."""
        from orchestrator.identity import current_user
        from orchestrator.store.listing import Listing

        return Listing(**self.chosen, user=current_user() if self.is_mine else None)


def filter_options(command: Command) -> Command:
    """Add the options that choose and order, passed to the command as `filters`. See `state_option`."""

    @click.option("--endpoint", metavar="NAME", shell_complete=complete_endpoint, help="Only on this endpoint.")
    @click.option("--model", metavar="MODEL", help="Only this base or tuned model, or those that begin like this.")
    @click.option(
        *("--tag", "tags"),
        type=_parse_tag,
        metavar="KEY[=VALUE]",
        multiple=True,
        help="Only with this tag (repeatable).",
    )
    @click.option(
        "--since", type=parse_since, metavar="WHEN", help="Only created since then: 12h or 7d ago, or 2026-11-01."
    )
    @click.option("--mine", "is_mine", is_flag=True, help="Only submitted by you.")
    @click.option("--archived", is_flag=True, help="Only archived; without this, none that are archived.")
    @click.option("--sort", type=click.Choice(SORTS), metavar="KEY", help=f"Sort by {_either(SORTS)}.")
    @click.option("--reverse", "is_reversed", is_flag=True, help="Reverse the order.")
    @wraps(command)
    def with_filters(
        *args: Any, tags: Sequence[tuple[str, str | None]], is_mine: bool, archived: bool, **given: Any
    ) -> None:
        fields = {name: given.pop(name, None) for name in _FIELDS}
        fields |= {"tags": _merged(tags), "archived": "only" if archived else None}
        chosen = {name: value for name, value in fields.items() if value or value == ""}
        command(*args, filters=Filters(chosen, is_mine), **given)

    return with_filters


_FIELDS = ("states", "endpoint", "model", "since", "sort", "is_reversed")


def state_option(command: Command) -> Command:
    """Add `--state` to the options of `filter_options`."""
    return _state(command)


def _parse_tag(text: str) -> tuple[str, str | None]:
    """A key, and a value after `=`; None admits any. Raises click.BadParameter without a key."""
    key, sign, value = text.partition("=")
    if not key.strip():
        raise click.BadParameter(f'"{text}" has no key; write team=flight, or team for any value')
    return key.strip(), value if sign else None


def _merged(tags: Sequence[tuple[str, str | None]]) -> Mapping[str, str | None]:
    """By key. Raises click.UsageError for two values of one key, which no run has."""
    found: dict[str, str | None] = {}
    for key, value in tags:
        if found.get(key) not in (None, value) and value is not None:
            raise click.UsageError(f"a run has one value for the tag {key}: --tag {key}={value} excludes the other")
        found[key] = found.get(key) if value is None else value
    return found


@dataclass(frozen=True)
class Window:
    """How much is shown: at most `limit` lines (None: all), these columns ((): the usual ones), or ids alone."""

    limit: int | None
    columns: Sequence[str]
    only_ids: bool
    is_limited_by_user: bool

    @property
    def limit_for_programs(self) -> int | None:
        """None unless the user gave a limit: one screen is for people."""
        return self.limit if self.is_limited_by_user else None


def window_options(columns: Sequence[str], what: str) -> Callable[[Command], Command]:
    """Add the options for how much is shown, passed to the command as `window`; `what` is listed."""

    def add(command: Command) -> Command:
        @click.option(
            "--limit",
            type=click.IntRange(min=1),
            metavar="N",
            help=f"Show at most N {what}.  [default: {_ONE_SCREEN}]",
        )
        @click.option("--all", "show_all", is_flag=True, help="Show every one.")
        @click.option(
            "--columns",
            type=_column_names(columns),
            metavar="NAME,…",
            shell_complete=_complete_columns(columns),
            help=f"Show only these columns: {', '.join(columns)}.",
        )
        @click.option("--ids", "only_ids", is_flag=True, help="Print only ids, one per line.")
        @wraps(command)
        def with_window(
            *args: Any,
            limit: int | None,
            show_all: bool,
            columns: Sequence[str] | None,
            only_ids: bool,
            **given: Any,
        ) -> None:
            if limit is not None and show_all:
                raise click.UsageError("give either --limit or --all")
            if columns and (only_ids or given.get("as_json")):
                raise click.UsageError("--columns is for the table: give it without --ids and --json")
            if only_ids and given.get("as_json"):
                raise click.UsageError("give either --ids or --json")
            lines = limit or (None if show_all else _ONE_SCREEN)
            window = Window(lines, columns or (), only_ids, limit is not None)
            command(*args, window=window, **given)

        return with_window

    return add


def _column_names(known: Sequence[str]) -> Callable[[str], tuple[str, ...]]:
    """Reads distinct names separated by commas. It raises click.BadParameter for another name, and for none."""

    def parse(text: str) -> tuple[str, ...]:
        names = tuple(dict.fromkeys(name.strip().lower() for name in text.split(",") if name.strip()))
        for name in names:
            if name not in known:
                meant = did_you_mean(name, known, "Did you mean {}? ")
                raise click.BadParameter(f'there is no column "{name}". {meant}Columns: {", ".join(known)}')
        if not names:
            raise click.BadParameter(f"give at least one of {', '.join(known)}")
        return names

    return parse


def _complete_columns(
    known: Sequence[str],
) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Completes the name after the last comma."""

    def complete(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        before, comma, begun = incomplete.rpartition(",")
        taken = before.split(",")
        return [
            CompletionItem(f"{before}{comma}{name}")
            for name in known
            if name.startswith(begun) and name not in taken
        ]

    return complete


def _either(names: Sequence[str]) -> str:
    """`a, b or c`."""
    return f"{', '.join(names[:-1])} or {names[-1]}"
