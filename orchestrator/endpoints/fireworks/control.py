"""Requests to Fireworks' control plane, and transfers through the addresses that it signs.

They go through the same client as every other endpoint's: keys are hidden, deadlines and retries hold, and errors
are explained. By the SDK fireworks-ai 1.2.30, whose types are generated from Fireworks' own description.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx2
from openai import AsyncOpenAI

from orchestrator.config import EndpointConfig
from orchestrator.endpoints.failures import Unexplained, place_of
from orchestrator.endpoints.fireworks.names import last, root_of
from orchestrator.endpoints.fireworks.objects import has_name, read_list, read_name
from orchestrator.endpoints.interface import Capabilities
from orchestrator.endpoints.objects import Json
from orchestrator.endpoints.openai import OpenAIEndpoint
from orchestrator.endpoints.refusals import NOT_THE_API
from orchestrator.endpoints.retries import Retries
from orchestrator.errors import AccountNotChosen, EndpointError, EndpointUnreachable, RequestRefused

T = TypeVar("T")

PAGE = 200
"""The most items of a list's page."""
_MOST_PAGES = 1000
_OF_ACCOUNTS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)
_PASSING = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)


class ControlPlane(OpenAIEndpoint):
    """An open connection that knows its account, and how each kind of request is sent."""

    def __init__(
        self,
        config: EndpointConfig,
        client: AsyncOpenAI,
        capabilities: Capabilities,
        retries: Retries | None = None,
    ) -> None:
        super().__init__(config, client.with_options(base_url=root_of(config.base_url)), capabilities, retries)
        self._account_id: str | None = None

    async def place(self, kind: str, name: str = "", action: str = "") -> str:
        """The path of a collection of the account, or of one resource in it. Raises AccountNotChosen."""
        inside = f"/{name}" if name else ""
        return f"/v1/accounts/{await self.account_id()}/{kind}{inside}{action}"

    async def full_name(self, kind: str, name: str) -> str:
        """The resource's whole name."""
        return f"accounts/{await self.account_id()}/{kind}/{name}"

    async def account_id(self) -> str:
        """The account of the table, or else the only one that the key opens. Raises AccountNotChosen."""
        if self._account_id is None:
            self._account_id = self._config.account or await self._only_account()
            # Another key of the same account sees the same jobs.
            self.account = {**self.account, "organization": self._account_id, "project": self._account_id}
        return self._account_id

    async def _only_account(self) -> str:
        try:
            found = await self.read("list accounts", "/v1/accounts", lambda raw: read_list(raw, "accounts")[0])
        except RequestRefused as error:
            if error.facts["status"] not in _OF_ACCOUNTS:
                raise  # the address may be a different one, or a web page answered
            problem = f"the key can't list its accounts ({error.facts['problem']})"
            raise AccountNotChosen(**{**error.facts, "problem": problem, **self._where}) from error
        names = [last(read_name(each)) for each in found]
        if len(names) != 1:
            which = f"{len(names)} accounts ({', '.join(names)})" if names else "no account"
            facts = {"status": None, "code": None, "param": None, "message": None, **self._where}
            raise AccountNotChosen(endpoint=self.name, problem=f"the key opens {which}", **facts)
        return names[0]

    @property
    def _where(self) -> dict[str, str | None]:
        return {"source": self._config.source, "api_key_env": self._config.api_key_env}

    def _explained(self, error: Unexplained) -> EndpointError:
        explained = super()._explained(error)
        chosen = self._config.account
        if isinstance(explained, RequestRefused) and explained.facts["status"] == HTTPStatus.FORBIDDEN and chosen:
            advice = f'check account = "{chosen}" in [endpoints.{self.name}], which this key may not open'
            explained.facts["problem"] = f"{explained.facts['problem']}; {advice}"
            return RequestRefused(**explained.facts)
        return explained

    # --- requests --------------------------------------------------------------------------------------------

    async def read(
        self, what: str, path: str, read: Callable[[Json], T], query: Mapping[str, Any] | None = None
    ) -> T:
        """What `read` makes of an object that is asked for, repeatedly if need be."""
        return await self._repeat(what, self._get, path, read=read, query=query)

    async def write(
        self,
        what: str,
        path: str,
        read: Callable[[Json], T],
        body: Mapping[str, Any],
        query: Mapping[str, Any] | None = None,
    ) -> T:
        """The same for a request that changes something, and may be repeated."""
        return await self._repeat(what, self._post, path, read=read, body=body, query=query)

    async def make(
        self, what: str, path: str, body: Mapping[str, Any], query: Mapping[str, Any] | None = None
    ) -> bool:
        """Make a resource under the name in the request, repeatedly if need be; False if there is one already."""

        async def attempt() -> bool:
            timeout = self._config.timeout_seconds
            try:
                await self._send(self._post, path, read=dict, body=body, query=query, timeout=timeout)
            except EndpointUnreachable as error:
                if error.facts.get("status") != HTTPStatus.CONFLICT:
                    raise
                return False
            return True

        return await self._retries(what, attempt)

    async def remove(self, what: str, path: str, query: Mapping[str, Any] | None = None) -> None:
        """Delete a resource; a missing one is not an error."""
        try:
            await self._repeat(what, self._delete, path, read=dict, query=query)
        except RequestRefused as error:
            if not is_missing(error):
                raise

    async def every(self, what: str, kind: str, query: Mapping[str, Any] | None = None) -> list[Json]:
        """All items of a collection of the account that have a name, each once. A host that ignores `pageToken`
        would repeat its first page for ever: this stops there."""
        path, found, token = await self.place(kind), dict[str, Json](), ""
        for _ in range(_MOST_PAGES):
            asked = {**(query or {}), "pageSize": PAGE, **({"pageToken": token} if token else {})}
            items, following = await self.read(what, path, lambda raw: read_list(raw, kind), asked)
            new = {read_name(item): item for item in items if has_name(item)}
            is_repeated = new.keys() <= found.keys()
            found |= new
            if not following or is_repeated:
                break
            token = following
        return [*found.values()]

    async def _get(self, path: str, *, timeout: float, query: Mapping[str, Any] | None = None) -> httpx2.Response:
        options: Any = {"timeout": timeout, "params": dict(query or {})}
        return await self._client.get(path, cast_to=httpx2.Response, options=options)

    async def _post(
        self,
        path: str,
        *,
        timeout: float,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        files: Any = None,
    ) -> httpx2.Response:
        options: Any = {"timeout": timeout, "params": dict(query or {})}
        if files is not None:
            options["headers"] = {"Content-Type": "multipart/form-data"}
        sent = dict(body or {})
        return await self._client.post(path, cast_to=httpx2.Response, body=sent, files=files, options=options)

    async def _delete(
        self, path: str, *, timeout: float, query: Mapping[str, Any] | None = None
    ) -> httpx2.Response:
        options: Any = {"timeout": timeout, "params": dict(query or {})}
        return await self._client.delete(path, cast_to=httpx2.Response, options=options)

    # --- addresses that Fireworks signs: they are given no key ------------------------------------------------

    async def fetch(self, address: str) -> bytes | None:
        """What an address holds; None if it holds nothing yet. Raises RequestRefused and EndpointUnreachable."""
        answer = await self._unkeyed("GET", address, self._config.timeout_seconds)
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return None
        return self._without_secrets(self._accepted(answer, address).content)

    async def put(
        self, address: str, pieces: AsyncIterator[bytes], headers: Mapping[str, str], seconds: float
    ) -> None:
        """Send bytes to an address within that time. Raises RequestRefused and EndpointUnreachable."""
        self._accepted(await self._unkeyed("PUT", address, seconds, content=pieces, headers=headers), address)

    async def _unkeyed(self, method: str, address: str, seconds: float, **sent: Any) -> httpx2.Response:
        try:
            place = urlsplit(address)
        except ValueError:
            raise self.refusal("it names an address that can't be read") from None
        host, is_the_hosts = place.hostname or "?", place[:2] == urlsplit(root_of(self._config.base_url))[:2]
        if place.scheme != "https" and not is_the_hosts:
            raise self.refusal(f"it names an address without encryption on {host}")
        try:
            async with asyncio.timeout(seconds):
                return await self._client._client.request(
                    method, address, timeout=self._config.timeout_seconds, follow_redirects=False, **sent
                )
        except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError) as error:
            problem = f"the connection to {host} failed: {error or type(error).__name__}"
            raise EndpointUnreachable(endpoint=self.name, problem=problem, sent=True, status=None) from error

    def _accepted(self, answer: httpx2.Response, address: str) -> httpx2.Response:
        host, status = urlsplit(address).hostname, answer.status_code
        if answer.is_success:
            return answer
        problem = f"{host} answered with HTTP {status}"
        if answer.has_redirect_location:
            problem = f"{host} redirects to {place_of(answer.headers['location'])}, which ftorch does not follow"
        if answer.is_server_error or status in _PASSING:
            raise EndpointUnreachable(endpoint=self.name, problem=problem, sent=True, status=status)
        raise self.refusal(problem, status)

    def refusal(self, problem: str, status: int | None = None, code: str | None = None) -> RequestRefused:
        """Of something that the host's answer rules out."""
        facts = {"status": status, "code": code, "param": None, "message": problem}
        return RequestRefused(endpoint=self.name, problem=problem, **facts)


def is_missing(error: RequestRefused) -> bool:
    """Whether the host says that there is no such resource. A web page in its place says nothing of it."""
    is_a_page = str(error.facts["message"]).startswith(NOT_THE_API)
    return bool(error.facts["status"] == HTTPStatus.NOT_FOUND) and not is_a_page
