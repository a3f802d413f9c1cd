"""Run the tests on a throwaway PostgreSQL: started from the system's own binaries, always stopped and removed.

    python tests/postgres.py [PYTEST ARGUMENTS]

The tests that take a PostgreSQL database are run, or those that another -k chooses. The server listens on a socket
in a temporary folder, never on the network.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

USER = "ftorch"
_INSTALLED = Path("/usr/lib/postgresql")  # where Debian and Ubuntu keep what is not on PATH
_FAST = "-c fsync=off -c full_page_writes=off -c synchronous_commit=off"  # nothing here outlives the tests


def main(arguments: list[str]) -> int:
    binaries = find_binaries()
    if binaries is None:
        print("PostgreSQL is not installed here: nothing was tested")
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server is stopped then as well
    with cluster(binaries) as url:
        tests = [sys.executable, "-m", "pytest", "-k", "postgresql", *arguments]
        return subprocess.run(tests, env={**os.environ, "FTORCH_TEST_POSTGRES": url}, check=False).returncode


def find_binaries() -> Path | None:
    """The folder with initdb and pg_ctl: on PATH, else the newest installed version."""
    on_path = shutil.which("initdb")
    versions = sorted(_INSTALLED.glob("[0-9]*/bin"), key=lambda folder: float(folder.parent.name), reverse=True)
    candidates = [Path(on_path).resolve().parent] if on_path else []
    found = (
        folder
        for folder in [*candidates, *versions]
        if (folder / "initdb").exists() and (folder / "pg_ctl").exists()
    )
    return next(found, None)


@contextmanager
def cluster(binaries: Path) -> Iterator[str]:
    """A running server; yields its URL."""
    folder = Path(tempfile.mkdtemp(prefix="ftorch-postgres-", dir="/tmp"))  # a socket's path must be short
    data = folder / "data"
    try:
        _give_away(folder)
        _run(binaries / "initdb", "-D", data, "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        options = f"-c listen_addresses='' -k {folder} {_FAST}"
        _run(binaries / "pg_ctl", "-D", data, "-l", folder / "log", "-o", options, "-w", "start")
        try:
            yield f"postgresql+psycopg://{USER}@/postgres?host={folder}"
        finally:
            _run(binaries / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _give_away(folder: Path) -> None:
    """PostgreSQL refuses to run as root, so root lets an ordinary user own and run it."""
    if owner := _ordinary_user():
        os.chown(folder, owner.pw_uid, owner.pw_gid)


def _ordinary_user() -> pwd.struct_passwd | None:
    """Who runs the server: None for the user who runs this."""
    if os.geteuid() != 0:
        return None
    known = {user.pw_name: user for user in pwd.getpwall()}
    return known.get("postgres") or known["nobody"]


def _run(*command: object) -> None:
    owner = _ordinary_user()
    identity: dict[str, Any] = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if owner else {}
    with tempfile.TemporaryFile("w+") as output:  # a pipe would stay open as long as the server runs
        words = [str(word) for word in command]
        done = subprocess.run(words, stdout=output, stderr=subprocess.STDOUT, cwd="/", check=False, **identity)
        if done.returncode != 0:
            output.seek(0)
            sys.exit(f"{' '.join(words)} failed:\n{output.read()}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
