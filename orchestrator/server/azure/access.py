"""Who may do what: keys for the data plane, tokens for it and for the management of the resource."""

from __future__ import annotations

import hmac
from collections.abc import Collection
from enum import Enum, auto

from starlette.datastructures import Headers
from starlette.types import Scope

from orchestrator.server.azure.errors import AzureError
from orchestrator.server.azure.tokens import BadTokenError, Claims, Tokens, looks_like_token

DATA_AUDIENCES = ("https://cognitiveservices.azure.com", "https://ai.azure.com")
MANAGEMENT_AUDIENCES = ("https://management.azure.com", "https://management.core.windows.net")


class Right(Enum):
    """What a role may allow."""

    READ = auto()
    """Look at files, jobs and deployments."""
    INFER = auto()
    """Ask models."""
    TRAIN = auto()
    """Change files and jobs."""
    DEPLOY = auto()
    """Make and delete deployments."""


ALL_RIGHTS = frozenset(Right)
IDENTITIES: dict[str, Collection[Right]] = {
    "openai-contributor": (Right.READ, Right.INFER, Right.TRAIN),
    "openai-user": (Right.READ, Right.INFER),
    "no-role": (),
}
"""Client ids whose tokens may not do everything, named after their role: Cognitive Services OpenAI Contributor,
Cognitive Services OpenAI User, and none at all. Any other client id has those roles and Contributor."""

_NO_KEY = "Access denied due to invalid subscription key or wrong API endpoint."
_BAD_TOKEN = "Unauthorized: the access token is invalid, has expired, or is not for {audience}."


class DataAccess:
    """Lets a request of the data plane through, by key or by token."""

    def __init__(self, api_key: str | None, signed_in_only: bool, tokens: Tokens, bearer_keys: bool) -> None:
        self._api_key = api_key
        self._is_open = api_key is None and not signed_in_only
        self._tokens = tokens
        self._bearer_keys = bearer_keys

    def __call__(self, scope: Scope) -> None:
        """Raise AzureError 401 or 403 where the request may not go on."""
        headers = Headers(scope=scope)
        bearer = _bearer(headers)
        if self._is_key(headers.get("api-key")) or (self._bearer_keys and self._is_key(bearer)):
            return
        if bearer is not None and looks_like_token(bearer):
            _check_data_right(_claims(self._tokens, bearer, DATA_AUDIENCES), scope)
        elif not self._is_open:
            raise AzureError(401, "401", _NO_KEY)

    def _is_key(self, given: str | None) -> bool:
        if given is None or self._api_key is None:
            return False
        return hmac.compare_digest(given.encode(), self._api_key.encode())


class ManagementAccess:
    """Lets a request of the management plane through, by token alone."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def __call__(self, scope: Scope) -> None:
        """Raise AzureError 401 or 403 where the request may not go on."""
        bearer = _bearer(Headers(scope=scope))
        if bearer is None:
            message = "Authentication failed. The 'Authorization' header is missing."
            raise AzureError(401, "AuthenticationFailed", message)
        claims = _claims(self._tokens, bearer, MANAGEMENT_AUDIENCES, "ExpiredAuthenticationToken")
        right = Right.READ if scope["method"] == "GET" else Right.DEPLOY
        if right not in _rights(claims):
            action = {"GET": "read", "DELETE": "delete"}.get(scope["method"], "write")
            raise AzureError(403, "AuthorizationFailed", _no_management_right(claims, action))


def _bearer(headers: Headers) -> str | None:
    kind, _, text = headers.get("authorization", "").partition(" ")
    return text.strip() if kind.lower() == "bearer" and text.strip() else None


def _claims(tokens: Tokens, token: str, audiences: Collection[str], code: str = "401") -> Claims:
    try:
        claims = tokens.read(token)
        if claims.aud.rstrip("/") not in audiences:
            raise BadTokenError
    except BadTokenError as error:
        raise AzureError(401, code, _BAD_TOKEN.format(audience=next(iter(audiences)))) from error
    return claims


def _rights(claims: Claims) -> Collection[Right]:
    return IDENTITIES.get(claims.appid, ALL_RIGHTS)


def _check_data_right(claims: Claims, scope: Scope) -> None:
    right = _data_right(scope["method"], scope["path"])
    if right in _rights(claims):
        return
    # Asking a model without the role is answered 401 in recorded answers, all else 403; the code is the same.
    status = 401 if right is Right.INFER else 403
    action = {Right.READ: "read", Right.INFER: "deployments/chat/completions/action"}.get(right, "write")
    message = (
        f"The principal `{claims.appid}` lacks the required data action "
        f"`Microsoft.CognitiveServices/accounts/OpenAI/{action}` to perform `{scope['method']} {scope['path']}` "
        "operation."
    )
    raise AzureError(status, "PermissionDenied", message)


def _data_right(method: str, path: str) -> Right:
    if path.endswith("/chat/completions"):
        return Right.INFER
    return Right.READ if method == "GET" else Right.TRAIN


def _no_management_right(claims: Claims, action: str) -> str:
    named = f"Microsoft.CognitiveServices/accounts/deployments/{action}"
    return f"The client '{claims.appid}' does not have authorization to perform action '{named}' on this account."
