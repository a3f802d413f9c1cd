"""Serves the page with uvicorn until it is interrupted."""

from __future__ import annotations

import contextlib
import sys
import webbrowser
from collections.abc import Iterable

from orchestrator.api.watched import WatchedLedger
from orchestrator.browsers import names_of
from orchestrator.errors import PageNeedsToken
from orchestrator.listening import address_of, announcing, bind, is_loopback, require_uvicorn
from orchestrator.web.app import create_app
from orchestrator.web.settings import LEAST_TOKEN, Settings

TOKEN = "FTORCH_UI_TOKEN"
"""The environment variable of the token."""
_ENDING_SECONDS = 3


def serve(
    host: str,
    port: int,
    *,
    token: str | None = None,
    allowed: Iterable[str] = (),
    is_read_only: bool = False,
    opens: bool = False,
) -> None:
    """Serve the project around the current directory; port 0 takes any free one. The address is printed on stderr
    once it answers; `opens` opens it in the browser.

    Raises PageNeedsToken off loopback without a token, or with one that is too short; ServerMissing,
    AddressUnusable, and what opening the ledger raises.
    """
    import uvicorn

    require_uvicorn()
    if token is not None and len(token) < LEAST_TOKEN:
        raise PageNeedsToken(address=f"{host}:{port}", variable=TOKEN, least=LEAST_TOKEN)
    ledger = WatchedLedger()
    with contextlib.closing(ledger), bind(host, port) as listener:
        if token is None and not is_loopback(listener):
            raise PageNeedsToken(address=address_of(listener), variable=TOKEN, least=LEAST_TOKEN)
        ledger.current()
        settings = Settings(names_of(host, allowed), token, is_read_only)
        app = create_app(ledger, settings)
        config = uvicorn.Config(
            app,
            ws="none",
            lifespan="on",
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_ENDING_SECONDS,
        )
        address = address_of(listener)
        server = announcing(config, lambda: _announce(address, settings, opens), app.state.context.changes.close)
        # A server is ended with Ctrl-C: uvicorn closes everything in order and then raises it once more.
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[listener])


def _announce(address: str, settings: Settings, opens: bool) -> None:
    lines = [f"ftorch ui on {address}"]
    if settings.token is not None:
        lines.append(f"the first visit needs the token: {address}/?token=… (the value of {TOKEN})")
    if settings.is_read_only:
        lines.append("read only: nothing can be changed there")
    print("\n".join(lines), file=sys.stderr, flush=True)
    if opens:
        webbrowser.open(address)
