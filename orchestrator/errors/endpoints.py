"""Endpoints: what they refuse, and what keeps them from being reached."""

from __future__ import annotations

from orchestrator.errors.base import FtorchError


class EndpointNotUsable(FtorchError):
    """The endpoint {name} can't be used: {problem}."""


class EndpointError(FtorchError):
    """The endpoint {endpoint} answered with an error: {problem}."""


class EndpointUnreachable(EndpointError):
    """The endpoint {endpoint} can't be reached: {problem}. Nothing was lost; when it is back, run: ftorch resume"""


class NotAnAnswer(EndpointUnreachable):
    """The endpoint {endpoint} answered, but with no answer: {problem}. Run the same command again"""


class KeyRefused(EndpointError):
    """The endpoint {endpoint} refused the key in {api_key_env}: {problem}.
    Nothing was lost; set a valid key, then run: ftorch resume"""


class SignInFailed(KeyRefused):
    """No way to sign in to the endpoint {endpoint} with Entra ID works. Tried: {problem}.
    Nothing was lost; run: az login, or set what one of these ways asks for, then run: ftorch resume"""


class SignInRefused(KeyRefused):
    """The endpoint {endpoint} refused a fresh token of Entra ID: {problem}.
    Nothing was lost; sign in to the tenant of the resource (az login), then run: ftorch resume"""


class RoleMissing(KeyRefused):
    """The endpoint {endpoint} does not let this identity fine-tune: {problem}.
    Nothing was lost; let somebody assign it the role "Cognitive Services OpenAI Contributor" on the resource, which
    may take minutes to hold, then run: ftorch resume"""


class QuotaExhausted(EndpointError):
    """The endpoint {endpoint} says the account has no quota or credit left: {problem}.
    Nothing was lost; add credit, then run: ftorch resume"""


class RequestRefused(EndpointError):
    """The endpoint {endpoint} refused the request: {problem}"""


class EndpointBusy(EndpointError):
    """The endpoint {endpoint} is at a limit: {problem}."""


class AskingEnded(EndpointError):
    """The endpoint {endpoint} did not go on answering: {problem}. All {answered} answers that came are kept; once
    that is put right, the same command goes on."""


class OutcomeUnknown(EndpointError):
    """The endpoint {endpoint} gave no usable answer ({problem}), so what it did is not known."""


class NoAnswer(EndpointError):
    """The endpoint {endpoint} gave no answer: {problem}.{advice}"""
