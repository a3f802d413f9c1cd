"""Job files and configuration."""

from __future__ import annotations

from orchestrator.errors.base import InvalidFile, UsageError


class JobFileNotFound(UsageError):
    """There is no job file {path}. Give the path of a TOML file, such as jobs/drone.toml."""


class TomlUnreadable(UsageError):
    """{path} can't be read: {problem}."""


class TomlSyntaxError(UsageError):
    """{place}: this is not valid TOML: {problem}."""


class InvalidJobFile(InvalidFile):
    """The job file {path} has problems, and nothing was started."""


class InvalidConfig(InvalidFile):
    """The configuration {path} has problems, and nothing was started."""


class SeveralEndpoints(UsageError):
    """These models are on several endpoints ({endpoints}), and one evaluation asks one of them. Evaluate them
    one by one; ftorch leaderboard and ftorch compare put them side by side."""


class UnknownEndpoint(UsageError):
    """There is no endpoint named "{name}". Known: {known}.
    Add a table [endpoints.{name}] to ftorch.toml, or choose one with --endpoint."""


class JobFileNotFitting(UsageError):
    """{path} can't run on {endpoint}: {problem}"""


class NotConfirmed(UsageError):
    """This may cost money and there is no terminal to ask at. Look at the plan above, then add --yes."""


class NoSuchEndpoint(UsageError):
    """There is no endpoint or type of endpoint "{name}" to check for. {advice}"""


class WishAgainstJobFile(UsageError):
    """The job file {path} says itself what its files are for; leave --{option} out, or give the data files."""
