"""Runs."""

from __future__ import annotations

from orchestrator.errors.base import FtorchError, UsageError


class CancelNotConfirmed(UsageError):
    """The endpoint {endpoint} charges what a running job has trained until it is cancelled, and there is no
    terminal to ask at. To cancel {run} all the same, add --yes."""


class NoSuchRun(UsageError):
    """There is no run "{key}". See: ftorch status"""


class AmbiguousRun(UsageError):
    """ "{key}" fits more than one run: {candidates}. Give more of the id."""


class IllegalMove(FtorchError):
    """Run {run} can't go from {from_state} to {to_state}; this is a bug in ftorch, and nothing was written."""


class LostRun(FtorchError):
    """Another process took over run {run}; this one wrote nothing more to it."""


class WishRefused(UsageError):
    """Run {run} can't be {wish}: {problem}."""


class DataFileUnusable(FtorchError):
    """The file {path} can't be used: {problem}."""
