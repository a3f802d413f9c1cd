"""Access rights: keys for the data plane, tokens for it and for the management of the resource."""

from __future__ import annotations

import base64
import hmac
import json
import os
import secrets
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Scope

from orchestrator.server import bodies
from orchestrator.server.apierror import ApiError
from orchestrator.server.azure.errors import AzureError

DATA_AUDIENCES = ("https://cognitiveservices.azure.com", "https://ai.azure.com")
PROJECT_AUDIENCES = ("https://ai.azure.com",)
MANAGEMENT_AUDIENCES = ("https://management.azure.com", "https://management.core.windows.net")


class Right(Enum):
    """The permissions of a role."""

    READ = auto()
    """Read files, jobs and deployments."""
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
"""Client ids with restricted tokens, named after their role: Cognitive Services OpenAI Contributor, Cognitive
Services OpenAI User, and none at all. Any other client id has those roles and Contributor."""

_NO_KEY = "Access denied due to invalid subscription key or wrong API endpoint."
_BAD_TOKEN = "Unauthorized. Access token is missing, invalid, audience is incorrect ({audience}), or have expired."


class DataAccess:
    """Admits requests of the data plane, by key or by token."""

    def __init__(
        self,
        api_key: str | None,
        signed_in_only: bool,
        tokens: Tokens,
        bearer_keys: bool,
        audiences: Collection[str] = DATA_AUDIENCES,
    ) -> None:
        self._api_key = api_key
        self._audiences = audiences
        self._is_open = api_key is None and not signed_in_only
        self._tokens = tokens
        self._bearer_keys = bearer_keys

    def __call__(self, scope: Scope) -> None:
        """Raise AzureError 401 or 403 if the request must not continue."""
        headers = Headers(scope=scope)
        bearer = _bearer(headers)
        if self._is_key(headers.get("api-key")) or (self._bearer_keys and self._is_key(bearer)):
            return
        if bearer is not None and looks_like_token(bearer):
            _check_data_right(_claims(self._tokens, bearer, self._audiences), scope)
        elif not self._is_open:
            raise AzureError(401, "401", _NO_KEY)

    def _is_key(self, given: str | None) -> bool:
        if given is None or self._api_key is None:
            return False
        return hmac.compare_digest(given.encode(), self._api_key.encode())


class ManagementAccess:
    """Admits requests of the management plane, only by token."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def __call__(self, scope: Scope) -> None:
        """Raise AzureError 401 or 403 if the request must not continue."""
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
    # Asking a model without the role gives 401 in recorded answers, everything else 403; the code is the same.
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


# --- Tokens like those of Entra ID: signed, short-lived, for one audience and one identity --------------------


_HEADER = {"alg": "HS256", "typ": "JWT"}
_SECRET_BYTES = 32


@dataclass(frozen=True)
class Claims:
    """The contents of a token. Times are Unix seconds."""

    aud: str
    """The service it is for, such as https://cognitiveservices.azure.com."""
    appid: str
    """The identity it was issued to."""
    iat: int
    exp: int


class BadTokenError(Exception):
    """The token was not issued by this store, or has expired."""


class Tokens:
    """Issues and reads the tokens of one store; they survive the process, as the store has its secret."""

    def __init__(self, folder: Path, lifetime: float, now: Callable[[], float]) -> None:
        self.lifetime = lifetime
        self._secret = _kept_secret(folder / "entra.key")
        self._now = now

    def issue(self, audience: str, identity: str) -> tuple[str, Claims]:
        """A token for the audience, and its contents."""
        now = self._now()
        claims = Claims(audience, identity, int(now), int(now + self.lifetime))
        text = f"{_encoded(_HEADER)}.{_encoded(asdict(claims))}"
        return f"{text}.{self._signature(text)}", claims

    def read(self, token: str) -> Claims:
        """The contents of a token; BadTokenError if it was not issued by this store or has expired."""
        text, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(text).encode()):
            raise BadTokenError
        claims = Claims(**_decoded(text.partition(".")[2]))
        if claims.exp <= self._now():
            raise BadTokenError
        return claims

    def _signature(self, text: str) -> str:
        return _base64(hmac.digest(self._secret, text.encode(), "sha256"))


def looks_like_token(text: str) -> bool:
    """Whether a bearer is a token rather than a key."""
    return text.count(".") == 2


def _kept_secret(path: Path) -> bytes:
    """The secret in this file; if it is missing, it is made, readable only for its owner."""
    with suppress(FileExistsError):
        unfinished = path.with_suffix(f".{secrets.token_hex(8)}")
        with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(_SECRET_BYTES))
        with suppress(FileExistsError):
            os.link(unfinished, path)  # complete at once, and never over that of another process
        unfinished.unlink()
    return path.read_bytes()


def _encoded(value: object) -> str:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _decoded(text: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return value


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


# --- Sign-in: the token endpoints that azure-identity knows, for identities that need no browser --------------
#
# A managed identity of App Service (`IDENTITY_ENDPOINT`, `IDENTITY_HEADER`), one of a virtual machine
# (`AZURE_POD_IDENTITY_AUTHORITY_HOST`), and a service principal with a secret, for which azure-identity needs
# https.


APP_SERVICE_PATH = "/msi/token"
MACHINE_PATH = "/metadata/identity/oauth2/token"
SYSTEM_ASSIGNED = "system-assigned"
_SCOPE_END = "/.default"
_SIGN_IN_BYTES = 64 << 10


class TokenServer:
    """Gives a token to every client that knows the key of the resource; to all if it has none."""

    def __init__(self, tokens: Tokens, api_key: str | None) -> None:
        self._tokens = tokens
        self._api_key = api_key

    def routes(self) -> list[Route]:
        """All token endpoints."""
        return [
            Route(APP_SERVICE_PATH, self._app_service, methods=["GET"]),
            Route(MACHINE_PATH, self._machine, methods=["GET"]),
            Route("/{tenant}/oauth2/v2.0/token", self._service_principal, methods=["POST"]),
            Route("/{tenant}/v2.0/.well-known/openid-configuration", self._configuration, methods=["GET"]),
        ]

    def _app_service(self, request: Request) -> Response:
        self._check_secret(request.headers.get("x-identity-header"))
        return self._managed(request)

    def _machine(self, request: Request) -> Response:
        if request.headers.get("metadata", "").lower() != "true":
            raise AzureError(400, "invalid_request", "The header 'Metadata: true' is missing.")
        if self._api_key is not None:
            # A machine's identity is proven by its network address; this would open the resource to everybody.
            raise AzureError(403, "invalid_client", "This resource has a key; sign in with IDENTITY_HEADER.")
        return self._managed(request)

    def _managed(self, request: Request) -> Response:
        resource = request.query_params.get("resource")
        if not resource:
            raise AzureError(400, "invalid_request", "The query parameter 'resource' is missing.")
        identity = request.query_params.get("client_id") or SYSTEM_ASSIGNED
        return JSONResponse({**self._issued(resource, identity), "resource": resource, "client_id": identity})

    async def _service_principal(self, request: Request) -> Response:
        short = bodies.bounded(request, _SIGN_IN_BYTES, ApiError(413, "The request's body is too large."))
        async with bodies.form(short, max_files=0, max_fields=20) as form:
            fields = {name: str(value) for name, value in form.items()}
        self._check_secret(fields.get("client_secret"))
        scope, identity = fields.get("scope", "").split(" ")[0], fields.get("client_id", "")
        if fields.get("grant_type") != "client_credentials" or not scope.endswith(_SCOPE_END) or not identity:
            raise AzureError(
                400, "invalid_request", "Tokens are issued only for client_credentials and one '…/.default'."
            )
        return JSONResponse(self._issued(scope.removesuffix(_SCOPE_END), identity))

    def _configuration(self, request: Request) -> Response:
        """MSAL's request to an authority before it asks for a token."""
        place = f"{request.url.scheme}://{request.url.netloc}/{request.path_params['tenant']}"
        return JSONResponse(
            {
                "issuer": f"{place}/v2.0",
                "authorization_endpoint": f"{place}/oauth2/v2.0/authorize",
                "token_endpoint": f"{place}/oauth2/v2.0/token",
            }
        )

    def _check_secret(self, given: str | None) -> None:
        if self._api_key is None:
            return
        if given is None or not hmac.compare_digest(given.encode(), self._api_key.encode()):
            raise AzureError(401, "invalid_client", "The secret is not the key of this resource.")

    def _issued(self, audience: str, identity: str) -> dict[str, Any]:
        token, claims = self._tokens.issue(audience, identity)
        lifetime = int(self._tokens.lifetime)
        return {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": lifetime,
            "expires_on": str(claims.exp),
        }


def oauth_body(error: ApiError) -> dict[str, Any]:
    """An error in the form of token endpoints (RFC 6749, section 5.2), and of App Service."""
    code = error.azure_code if isinstance(error, AzureError) else "invalid_request"
    told = {"error": code, "error_description": error.message}
    return {**told, "statusCode": error.status, "message": error.message}
