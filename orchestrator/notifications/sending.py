"""Sending one notification: a command is started, or a request posted. It is tried once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import suppress

from orchestrator.addresses import is_safe_way
from orchestrator.childenv import child_environment
from orchestrator.notifications.events import Event
from orchestrator.notifications.messages import command_line, environment, event_object, web_body
from orchestrator.notifytables import NotifyTarget
from orchestrator.webclient import WebClient, WebProblem, filled

TIMEOUT_SECONDS = 10.0
_DESKTOP = ("DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR")
"""What a program needs to show something on the user's desktop."""


class NotSent(Exception):
    """Why a notification did not arrive, as far as is known, in words."""


def send(target: NotifyTarget, event: Event) -> None:
    """Notify the target of the event, within TIMEOUT_SECONDS. Raises NotSent."""
    if target.command:
        _start(target, event)
    else:
        _post(target, event)


def _post(target: NotifyTarget, event: Event) -> None:
    try:
        url = filled(target.url or "")
        if not target.allow_http and not is_safe_way(url):
            raise NotSent(
                f"it would travel unencrypted; give an https:// address, or set allow_http = true in "
                f"[notify.{target.name}]"
            )
        headers = {name: filled(text) for name, text in target.headers.items()}
        client = WebClient(TIMEOUT_SECONDS, quotes=not target.variables)
        try:
            client.request("POST", url, headers=headers, body=web_body(target, event))
        finally:
            client.close()
    except WebProblem as problem:
        raise NotSent(str(problem)) from None


def _start(target: NotifyTarget, event: Event) -> None:
    more = {name: os.environ[name] for name in (*_DESKTOP, *target.env) if name in os.environ}
    try:
        process = subprocess.Popen(
            command_line(target, event),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=target.folder,
            env=child_environment(**more, **environment(event)),
            start_new_session=True,  # Ctrl-C is for the command that the user sees
        )
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise NotSent(f"{target.command[0]} can't be started: {said}") from error
    try:
        process.communicate(json.dumps(event_object(event)).encode(), timeout=TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        _end(process)
        raise NotSent(f"{target.command[0]} had not ended after {TIMEOUT_SECONDS:.0f} s") from None
    if process.returncode:
        raise NotSent(f"{target.command[0]} exited with status {process.returncode}")


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
