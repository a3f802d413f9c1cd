"""Who works here: the names under which submissions, notes and promotions are recorded."""

from __future__ import annotations

import getpass
import os
import socket

USER_VARIABLE = "FTORCH_USER"
"""Overrides the login name, for machines and containers that several people share."""
_LONGEST_USER, _LONGEST_HOST = 64, 128


def current_user() -> str:
    """`$FTORCH_USER`, else the login name, else the user's number; at most 64 characters."""
    return (os.environ.get(USER_VARIABLE, "").strip() or _login_name())[:_LONGEST_USER]


def this_host() -> str:
    """The machine's name; at most 128 characters."""
    return socket.gethostname()[:_LONGEST_HOST]


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container may run under a number that has no name
        return f"uid {os.getuid()}" if hasattr(os, "getuid") else "unknown"
