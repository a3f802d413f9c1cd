"""Short requests to hosts that the user named, other than endpoints: trackers and webhooks."""

from __future__ import annotations

import json
import logging
import os
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from orchestrator.addresses import VARIABLE

if TYPE_CHECKING:
    import httpx2

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_MOST_BYTES = 8 << 20
"""Of an answer: no host may fill this process's memory."""
_SHOWN = 200
"""Characters of a host's own words in an error."""


class WebProblem(Exception):
    """Why a request got no usable answer, in words. `status` and `code` are the answer's, if there was one;
    `is_unclear` says that the host may have carried the request out all the same."""

    def __init__(
        self, problem: str, status: int | None = None, code: str = "", *, is_unclear: bool = False
    ) -> None:
        super().__init__(problem)
        self.status, self.code, self.is_unclear = status, code, is_unclear


def filled(text: str) -> str:
    """The text with the values of its `${NAME}`. Raises WebProblem if a variable has none."""
    for name in VARIABLE.findall(text):
        if not os.environ.get(name, "").strip():
            raise WebProblem(f"the environment variable {name} is not set; export {name}=… first")
    return VARIABLE.sub(lambda found: os.environ[found[1]].strip(), text)


class WebClient:
    """Connections to one host; a request takes at most `timeout` seconds. Redirects are not followed: what is sent
    goes to no other address. The environment's proxies are used, except to this machine.

    With `quotes` an error may have the host's own words. Leave it out if a secret is sent: hosts may repeat it.
    """

    def __init__(self, timeout: float, *, quotes: bool = False) -> None:
        import httpx2

        self._timeout, self._quotes = timeout, quotes
        self._errors = (httpx2.HTTPError, httpx2.InvalidURL)
        self._unsent = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.UnsupportedProtocol, httpx2.InvalidURL)
        past_proxies = {f"all://{host}": None for host in _LOOPBACK}
        _keep_out_of_logs()
        try:
            self._client = httpx2.Client(
                timeout=timeout,
                follow_redirects=False,
                mounts=past_proxies,
                headers={"Accept-Encoding": "identity"},
            )
        except (ImportError, OSError, ValueError) as error:
            raise WebProblem("the environment names a proxy or certificates that can't be used") from error

    def close(self) -> None:
        self._client.close()

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> bytes:
        """The body of a 2xx answer; `body` is sent as JSON. Raises WebProblem, which never quotes the address."""
        content = None if body is None else json.dumps(body, allow_nan=False).encode()
        sent = {**({} if body is None else {"Content-Type": "application/json"}), **(headers or {})}
        until = time.monotonic() + self._timeout
        try:
            with (
                _unlogged(),
                self._client.stream(method, url, headers=sent, params=params, content=content) as answer,
            ):
                return self._read(answer, until)
        except self._errors as error:
            is_unclear = not isinstance(error, self._unsent)
            raise WebProblem(_words(type(error).__name__), is_unclear=is_unclear) from None
        except ValueError:  # a value that no address or header can hold
            raise WebProblem("the address or a header has characters that can't be sent") from None

    def _read(self, answer: httpx2.Response, until: float) -> bytes:
        content = b""
        for piece in answer.iter_raw():
            content += piece
            if time.monotonic() > until:
                raise WebProblem("it did not answer in time", is_unclear=True)
            if len(content) > _MOST_BYTES:
                raise WebProblem("its answer is too long", answer.status_code, is_unclear=True)
        if answer.is_success:
            return content
        code, said = _code_and_message(content)
        said = said if self._quotes else code
        problem = f"it answered with status {answer.status_code}{f': {said}' if said else ''}"
        raise WebProblem(problem, answer.status_code, code, is_unclear=answer.status_code >= 500)


def _words(kind: str) -> str:
    """What an exception of the HTTP library means."""
    if "Timeout" in kind:
        return "it did not answer in time"
    return "it can't be reached" if kind == "ConnectError" else f"the connection failed ({kind})"


def _code_and_message(content: bytes) -> tuple[str, str]:
    """The host's error code, if it gives one, and its own words on one line."""
    code, text = "", content[: 4 * _SHOWN].decode("utf-8", "replace")
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict):
        code = str(found.get("error_code") or "")
        text = str(found.get("message") or found.get("error") or text)
    plain = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    shortened = f"{plain[:_SHOWN]}…" if len(plain) > _SHOWN else plain
    return (code if re.fullmatch("[A-Z_]{1,60}", code) else ""), shortened


# --- Logs --------------------------------------------------------------------------------------------------------


_LOGGERS = ("httpx2", "httpcore2")
_thread = threading.local()


def _is_logged(_record: logging.LogRecord) -> bool:
    return not getattr(_thread, "is_quiet", False)


def _keep_out_of_logs() -> None:
    """A webhook's address is a secret, and the HTTP library logs addresses (OPENAI_LOG=debug)."""
    for name, logger in list(logging.root.manager.loggerDict.items()):
        is_of_library = name.split(".")[0] in _LOGGERS and isinstance(logger, logging.Logger)
        if is_of_library and _is_logged not in logger.filters:  # type: ignore[union-attr]
            logger.addFilter(_is_logged)  # type: ignore[union-attr]


@contextmanager
def _unlogged() -> Iterator[None]:
    _thread.is_quiet = True
    try:
        yield
    finally:
        _thread.is_quiet = False
