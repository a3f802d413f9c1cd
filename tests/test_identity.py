"""The names under which submissions are recorded."""

import getpass

import pytest

from orchestrator.identity import current_user, this_host


def test_a_variable_names_the_user_before_the_login_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "login")
    monkeypatch.setenv("FTORCH_USER", "")
    assert current_user() == "login"
    monkeypatch.setenv("FTORCH_USER", " ann ")
    assert current_user() == "ann"


def test_a_user_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.delenv("FTORCH_USER", raising=False)
    monkeypatch.setattr(getpass, "getuser", fail)
    monkeypatch.setattr("os.getuid", lambda: 4711)
    assert current_user() == "uid 4711"


def test_names_fit_their_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FTORCH_USER", "a" * 100)
    monkeypatch.setattr("socket.gethostname", lambda: "h" * 300)
    assert (len(current_user()), len(this_host())) == (64, 128)
