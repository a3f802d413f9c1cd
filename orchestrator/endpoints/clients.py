"""The SDK's clients: they send what the endpoint's table says, and nothing else from the environment."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from functools import cache
from ssl import SSLContext
from typing import Any
from urllib.request import proxy_bypass

import httpx2
from openai import AsyncAzureOpenAI, AsyncOpenAI, DefaultAsyncHttpxClient

from orchestrator.config import EndpointConfig
from orchestrator.endpoints.bounded import ENCODINGS, BoundedClient
from orchestrator.endpoints.keys import headers_of, key_of, query_of, without_key
from orchestrator.errors import EndpointNotUsable
from orchestrator.installation import install_command

_LOGGERS = ("openai", "httpx2", "httpcore2")
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_PROXIES = ("ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def http_client(config: EndpointConfig) -> BoundedClient:
    """Connections through the environment's proxies, except to this machine, which no proxy can reach. Redirects
    are not followed: neither the key nor the data goes to another address.

    Raises EndpointNotUsable if the environment names a proxy or certificates that can't be used.
    """
    past_proxies = {f"all://{host}": None for host in _LOOPBACK}
    try:
        trusted = _trusted(*(os.environ.get(name) for name in _CERTIFICATES))
        client = BoundedClient(
            follow_redirects=False, mounts=past_proxies, headers={"Accept-Encoding": ENCODINGS}, verify=trusted
        )
    except ImportError as error:
        command = install_command(["socksio"])
        problem = f"{_named(_PROXIES)} names a SOCKS proxy, which needs a package; run: {command}"
        raise EndpointNotUsable(name=config.name, problem=problem) from error
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        is_about_files = isinstance(error, OSError)
        what = _named(_CERTIFICATES if is_about_files else _PROXIES)
        kind = "certificates that can't be read" if is_about_files else "a proxy that can't be used"
        problem = f"{what} names {kind}; fix or unset it"
        raise EndpointNotUsable(name=config.name, problem=problem) from error
    client.counted_as = config.name
    return client


@cache
def _trusted(file: str | None, folder: str | None) -> SSLContext:
    """The certificates named by these two environment variables, else the default ones. Reading them takes longer
    than creating a client, so all clients of a process share them."""
    return httpx2.create_ssl_context()


def proxy_variable(url: httpx2.URL) -> str | None:
    """The environment variable that names the proxy for this address; None if there is none."""
    if f"[{url.host}]" in _LOOPBACK or url.host in _LOOPBACK or proxy_bypass(url.host):
        return None
    kinds = (f"{url.scheme}_proxy", "all_proxy")
    return next((name for kind in kinds for name in (kind, kind.upper()) if os.environ.get(name)), None)


def _named(variables: Iterable[str]) -> str:
    """Those of these variables that are set: only names, as a proxy's address may hold a password."""
    found = [name for name in variables if os.environ.get(name)]
    return f"the environment variable {' or '.join(found)}" if found else "the environment"


def client_of(config: EndpointConfig, http: DefaultAsyncHttpxClient) -> AsyncOpenAI:
    """A client for an endpoint of type `openai` or `compatible`. Raises EndpointNotUsable."""
    keep_secrets_from_logs(config)
    make = AsyncOpenAI if config.type == "openai" else PlainClient
    base_url = (config.base_url or "").rstrip("/") or None  # the SDK puts one slash between it and the path
    return make(base_url=base_url, api_key=key_of(config), http_client=http, **common(config))


def common(config: EndpointConfig) -> dict[str, Any]:
    """Settings of every client."""
    return {
        "timeout": config.timeout_seconds,
        "default_headers": headers_of(config),
        "default_query": query_of(config),
        "max_retries": 0,
    }


class PlainClient(AsyncOpenAI):
    """For hosts other than OpenAI: without OPENAI_ORG_ID, OPENAI_PROJECT_ID and OPENAI_CUSTOM_HEADERS."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        _forget_environment(self, options)


class PlainAzureClient(AsyncAzureOpenAI):
    """The same for Azure's dated versions."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        _forget_environment(self, options)


def _forget_environment(client: AsyncOpenAI, options: dict[str, Any]) -> None:
    client.organization = client.project = None
    client._custom_headers = dict(options.get("default_headers") or {})


# --- Logs --------------------------------------------------------------------------------------------------------


class _WithoutSecrets(logging.Filter):
    """Removes an endpoint's secrets from the SDK's log (OPENAI_LOG=debug): the SDK itself hides only two headers,
    and nothing in responses."""

    def __init__(self, config: EndpointConfig) -> None:
        super().__init__(config.name)
        self.config = config

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = without_key(record.getMessage(), self.config), ()
        return True


def keep_secrets_from_logs(config: EndpointConfig) -> None:
    """Call it once the SDK is imported, and its loggers with it."""
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if name.split(".")[0] not in _LOGGERS or not isinstance(logger, logging.Logger):
            continue
        if not any(isinstance(each, _WithoutSecrets) and each.config == config for each in logger.filters):
            logger.addFilter(_WithoutSecrets(config))
