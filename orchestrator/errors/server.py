"""The endpoint we ship, and its trainers."""

from __future__ import annotations

from orchestrator.errors.base import FtorchError, UsageError


class UnreadableWeights(FtorchError):
    """These weights are damaged or not of the tiny trainer: they begin with {found!r}. Train the model again."""


class EndpointStoreUnusable(FtorchError):
    """The local endpoint cannot use its store {path}: {reason}. Check that the folder exists, is writable and has
    space left, or choose another one."""


class EndpointStoreNewer(FtorchError):
    """The local endpoint's store {path} has version {found}; this program knows {known}. Install a newer ftorch."""


class TrainerUnknown(UsageError):
    """There is no trainer {trainer}. Choose one of: {known}."""


class ServerMissing(FtorchError):
    """Serving over HTTP needs uvicorn, which is not installed. Run: pip install 'ftorch[serve]'"""


class AddressUnusable(FtorchError):
    """The endpoint cannot listen on {address}: {reason}. Choose another port (0 takes any free one) or host."""
