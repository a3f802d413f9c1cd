"""The `[notify.NAME]` tables of a file: who is notified of which events, by a command or a webhook."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from orchestrator.addresses import SECRET_NAME, VARIABLE, is_address
from orchestrator.errors import InvalidConfig
from orchestrator.tomlsource import TomlSource

TABLE = "notify"
RUN, SWEEP, EVALUATION, BATCH, ATTENTION = "run", "sweep", "evaluation", "batch", "attention"
KINDS = (RUN, SWEEP, EVALUATION, BATCH, ATTENTION)
"""What a target can be notified of: that one of these ended, or that one needs a person."""
_MAX_NAME = 32
_LONGEST_TEXT = 4096


@dataclass(frozen=True)
class NotifyTarget:
    """One `[notify.NAME]` table."""

    name: str
    command: tuple[str, ...] = ()
    """The program and its arguments, started without a shell."""
    url: str | None = None
    """Where the event is posted; `${NAME}` is an environment variable's value."""
    on: tuple[str, ...] = KINDS
    headers: Mapping[str, str] = field(default_factory=dict)
    """Sent with the request. `${NAME}` in a value is an environment variable's value."""
    body: Mapping[str, Any] = field(default_factory=dict)
    """Sent in place of the usual body; `{text}` and other fields of the event in a text are replaced."""
    env: tuple[str, ...] = ()
    """The environment variables that the command gets beyond the usual ones."""
    allow_http: bool = False
    """Allow an unencrypted `url` even if it is on another machine."""
    source: Path = Path()
    folder: Path = field(default=Path(), compare=False)
    """Where the command runs: the project's root."""
    is_personal: bool = False
    """Whether it comes from the user's own file: other people have their own of that name."""
    is_allowed: bool = True
    """Whether the user has allowed it; one from the user's own file always is."""

    @property
    def variables(self) -> list[str]:
        """The environment variables whose values leave this process."""
        told = json.dumps([self.url, self.headers])
        return list(dict.fromkeys([*VARIABLE.findall(told), *self.env]))

    @property
    def reach(self) -> dict[str, Any]:
        """What it names beyond settings: a program or a host, and what is sent there."""
        named = {
            "command": list(self.command),
            "url": self.url,
            "headers": dict(self.headers),
            "env": list(self.env),
            "allow_http": self.allow_http,
        }
        return {f"{self.name}.{key}": value for key, value in named.items() if value}


def read_targets(source: TomlSource, folder: Path, *, is_personal: bool) -> dict[str, NotifyTarget]:
    """The targets of one file by name. Raises InvalidConfig with all its problems."""
    tables = source.data.get(TABLE, {})
    if not isinstance(tables, dict):
        raise InvalidConfig(source.path, [f"{source.place(TABLE)}: {TABLE} must be a table: [{TABLE}.NAME]"])
    problems = [problem for name, table in tables.items() for problem in _problems(source, name, table)]
    if problems:
        raise InvalidConfig(source.path, problems)
    return {
        name: NotifyTarget(name, **_values(table), source=source.path, folder=folder, is_personal=is_personal)
        for name, table in tables.items()
    }


def _values(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}


# --- The rules ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Rule:
    fits: Callable[[Any], bool]
    sentence: str


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_TEXT and "\0" not in value


def _is_command(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_text, value))


_OPAQUE = re.compile(r"(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{20,}")
"""A part of a path that is long enough to be a token."""


def _is_url(value: Any) -> bool:
    """An address with its secrets as variables: webhooks of Slack, Discord and others have them in the path."""
    if not _is_text(value) or not value.isprintable():
        return False
    if VARIABLE.fullmatch(value):
        return True
    address, _, query = VARIABLE.sub("variable", value).partition("?")
    parts = (part.partition("=") for part in value.partition("?")[2].split("&"))
    has_secret = any(SECRET_NAME.search(name) and not VARIABLE.search(text) for name, _, text in parts)
    return is_address(address) and not has_secret and not _OPAQUE.search(urlsplit(address).path + query)


def _are_headers(value: Any) -> bool:
    """Names and values as defined by RFC 9110, in ASCII; secrets as variables."""
    return isinstance(value, dict) and all(
        re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name)
        and isinstance(text, str)
        and re.fullmatch(r"[ -~]+", text)
        and (VARIABLE.search(text) or not SECRET_NAME.search(name))
        for name, text in value.items()
    )


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):  # TOML's dates, and numbers that JSON doesn't have
        return False
    return isinstance(value, dict)


def _are_variables(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(each, str) and re.fullmatch(r"[A-Z_][A-Z0-9_]*", each) for each in value
    )


def _are_kinds(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(each in KINDS for each in value)


_RULES: Mapping[str, _Rule] = {
    "command": _Rule(_is_command, 'must be a list of texts, such as ["notify-send", "ftorch", "{text}"]'),
    "url": _Rule(
        _is_url,
        "must be an address with its secrets as variables, such as "
        '"https://hooks.slack.com/services/${SLACK_WEBHOOK}" or "${WEBHOOK_URL}"',
    ),
    "on": _Rule(_are_kinds, f"must be a list of {', '.join(KINDS)}"),
    "headers": _Rule(
        _are_headers,
        'must be a table of texts, with secrets as variables, such as { Authorization = "Bearer ${TOKEN}" }',
    ),
    "body": _Rule(_is_json, 'must be a table of JSON values, such as { content = "{text}" }'),
    "env": _Rule(_are_variables, 'must be a list of names of environment variables, such as ["NTFY_TOKEN"]'),
    "allow_http": _Rule(lambda value: isinstance(value, bool), "must be true or false"),
}
_OF_URLS = ("headers", "body", "allow_http")
_OF_COMMANDS = ("env",)


def _problems(source: TomlSource, name: str, table: Any) -> list[str]:
    place = source.place(TABLE, name)
    if not isinstance(table, dict):
        return [f"{place}: {TABLE}.{name} must be a table: [{TABLE}.{name}]"]
    found = []
    if not 1 <= len(name) <= _MAX_NAME or not name.isprintable():
        found.append(f"{place}: the name of a [{TABLE}] table has 1 to {_MAX_NAME} characters")
    for key, value in table.items():
        if key not in _RULES:
            found.append(source.unknown_key((TABLE, name, key), _RULES))
        elif not _RULES[key].fits(value):  # never shown: it may be a secret
            found.append(f"{source.place(TABLE, name, key)}: {TABLE}.{name}.{key} {_RULES[key].sentence}")
    if ("command" in table) == ("url" in table):
        found.append(f"{place}: [{TABLE}.{name}] needs either a command or a url")
        return found
    way, others = ("command", _OF_URLS) if "command" in table else ("url", _OF_COMMANDS)
    found += [
        f"{source.place(TABLE, name, key)}: {TABLE}.{name}.{key} has no effect with a {way}"
        for key in others
        if key in table
    ]
    return found
