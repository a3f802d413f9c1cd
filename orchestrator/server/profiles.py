"""The habits of the endpoints that clients meet, so that a client can be tried against each.

`openai` follows the official description to the letter. `nebius` shows what was recorded from that host: a job is
running from its first answer on, files have no status, lists say nothing of further pages and take no cursor,
events come oldest first.
"""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.server.settings import ProfileName


@dataclass(frozen=True)
class Profile:
    """What differs between hosts that speak the same API."""

    pages: bool = True
    """Lists obey `after`."""
    has_more: bool = True
    """Lists say whether there is more."""
    list_ends: bool = True
    """Lists of files and checkpoints name their first and their last object."""
    file_status: bool = True
    """Files carry a status."""
    shows_waiting: bool = True
    """A job that waits says so; otherwise it is called running."""
    events_newest_first: bool = True
    metadata: bool = True
    """Jobs give back the metadata they were created with, and lists filter by it."""
    flat_hyperparameters: bool = False
    """Hyperparameters stand at the top level only, and "auto" is null."""


PROFILES: dict[ProfileName, Profile] = {
    "openai": Profile(),
    "nebius": Profile(
        pages=False,
        has_more=False,
        file_status=False,
        shows_waiting=False,
        events_newest_first=False,
        metadata=False,
        flat_hyperparameters=True,
    ),
}
