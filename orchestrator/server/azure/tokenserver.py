"""Sign-in: the token endpoints that azure-identity knows, for identities that need no browser.

A managed identity of App Service (`IDENTITY_ENDPOINT`, `IDENTITY_HEADER`), one of a virtual machine
(`AZURE_POD_IDENTITY_AUTHORITY_HOST`), and a service principal with a secret, for which azure-identity wants https.
"""

from __future__ import annotations

import hmac
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from orchestrator.server.apierror import ApiError
from orchestrator.server.azure.errors import AzureError
from orchestrator.server.azure.tokens import Tokens

APP_SERVICE_PATH = "/msi/token"
MACHINE_PATH = "/metadata/identity/oauth2/token"
SYSTEM_ASSIGNED = "system-assigned"
_SCOPE_END = "/.default"


class TokenServer:
    """Gives a token to whoever knows the key of the resource; to anybody where it has none."""

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
            # A machine's identity proves itself by where it asks from; here that would open the resource to all.
            raise AzureError(403, "invalid_client", "This resource has a key; sign in with IDENTITY_HEADER.")
        return self._managed(request)

    def _managed(self, request: Request) -> Response:
        resource = request.query_params.get("resource")
        if not resource:
            raise AzureError(400, "invalid_request", "The query parameter 'resource' is missing.")
        identity = request.query_params.get("client_id") or SYSTEM_ASSIGNED
        return JSONResponse({**self._issued(resource, identity), "resource": resource, "client_id": identity})

    async def _service_principal(self, request: Request) -> Response:
        async with request.form(max_files=0, max_fields=20) as form:
            fields = {name: str(value) for name, value in form.items()}
        self._check_secret(fields.get("client_secret"))
        scope, identity = fields.get("scope", "").split(" ")[0], fields.get("client_id", "")
        if fields.get("grant_type") != "client_credentials" or not scope.endswith(_SCOPE_END) or not identity:
            raise AzureError(
                400, "invalid_request", "Only client_credentials for one '…/.default' are given tokens."
            )
        return JSONResponse(self._issued(scope.removesuffix(_SCOPE_END), identity))

    def _configuration(self, request: Request) -> Response:
        """What MSAL asks of an authority before it asks for a token."""
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
    """An error as token endpoints word it (RFC 6749, section 5.2), and as App Service does."""
    code = error.azure_code if isinstance(error, AzureError) else "invalid_request"
    told = {"error": code, "error_description": error.message}
    return {**told, "statusCode": error.status, "message": error.message}
