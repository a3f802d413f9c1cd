"""Secrets in the spellings that hosts quote them in; and what goes to a host beside the key."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from urllib.parse import quote

import pytest
from support.project import Project

from orchestrator.config import EndpointConfig
from orchestrator.endpoints.keys import HIDDEN, content_without_key, without_key

SECRET = "sk-canary/7f3a+9c51=d2e84b06"
SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "JSON with an escaped slash": lambda secret: secret.replace("/", "\\/"),
    "JSON in JSON": lambda secret: json.dumps(json.dumps(secret.replace("/", "\\/"))),
    "every character as JSON escapes it": lambda secret: "".join(f"\\u{ord(each):04x}" for each in secret),
    "some, as .NET escapes them": lambda secret: secret.replace("+", "\\u002B").replace("=", "\\u003D"),
    "an address": lambda secret: quote(secret, safe=""),
    "an address in an address": lambda secret: quote(quote(secret, safe=""), safe=""),
    "every character as an address escapes it": lambda secret: "".join(f"%{ord(each):02x}" for each in secret),
    "a page": lambda secret: secret.replace("+", "&#43;").replace("=", "&#x3D;").replace("/", "&#x2f;"),
    "Base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "Base64 behind one character": lambda secret: base64.b64encode(f":{secret}".encode()).decode(),
    "Base64 behind two": lambda secret: base64.b64encode(f"u:{secret}".encode()).decode(),
    "Base64 inside more": lambda secret: base64.urlsafe_b64encode(f"user:{secret}:more".encode()).decode(),
}


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch) -> EndpointConfig:
    monkeypatch.setenv("KEY", "another-key-of-the-host")
    monkeypatch.setenv("TEAM", SECRET)
    return EndpointConfig("mine", "compatible", "https://host/v1", "KEY", headers={"X-Team": "t ${TEAM}"})


@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)
def test_a_secret_is_taken_out_however_it_is_spelled(spell: Callable[[str], str], config: EndpointConfig) -> None:
    text = f"before {spell(SECRET)} after"
    found = without_key(text, config)
    assert HIDDEN in found
    assert (found[:7], found[-6:]) == ("before ", " after")
    assert len(found) <= len(f"before {HIDDEN} after") + 16  # what is Base64 of something else stays
    assert content_without_key(text.encode(), config).decode() == found


def test_what_only_looks_like_it_stays(config: EndpointConfig) -> None:
    text = 'sk-canary is 100% \\u002B &#43; {"a": "b\\/c"} EMPTY'
    assert without_key(text, config) == text


# --- what goes to a host -----------------------------------------------------------------------------------------

OPENAIS = {
    "OPENAI_ORG_ID": "org-of-openai",
    "OPENAI_PROJECT_ID": "proj-of-openai",
    "OPENAI_CUSTOM_HEADERS": "X-Extra: of-openai\nAuthorization: Bearer of-openai",
    "OPENAI_BASE_URL": "http://127.0.0.1:9/v1",
    "OPENAI_API_KEY": "key-of-openai",
    "OPENAI_ADMIN_KEY": "admin-key-of-openai",
}


def test_what_is_openais_goes_to_no_other_host(project: Project, host) -> None:
    assert project.ftorch("submit", "jobs/greet.toml", "--yes", **OPENAIS).code == 0
    assert {headers["authorization"] for _, headers in host.asked} == {"Bearer sk-canary/7f3a9c51d2e84b06"}
    assert "of-openai" not in json.dumps(host.asked)


def test_openais_own_endpoint_gets_it(project: Project, host) -> None:
    path = project.root / "ftorch.toml"
    path.write_text(path.read_text().replace('type = "compatible"', 'type = "openai"'))
    project.ftorch("endpoints", "check", "hosted", **OPENAIS)
    [(_, headers), *_] = host.asked
    assert {headers["openai-organization"], headers["openai-project"]} == {"org-of-openai", "proj-of-openai"}


def test_headers_query_and_body_of_the_table_are_sent_and_their_secrets_hidden(
    project: Project, host, written
) -> None:
    host.text = "you sent team-secret-of-mine"
    path = project.root / "ftorch.toml"
    table = 'headers = { X-Team = "t ${TEAM_SECRET}" }\nquery = { code = "${TEAM_SECRET}" }\n'
    path.write_text(path.read_text() + table + "body = { priority = 2, owner = { id = '${TEAM_SECRET}' } }\n")
    refused = project.ftorch("submit", "jobs/greet.toml", "--yes")
    assert (refused.code, "TEAM_SECRET is not set" in refused.err) == (2, True), refused.err
    done = project.ftorch("submit", "jobs/greet.toml", "--yes", TEAM_SECRET="team-secret-of-mine")
    assert done.code == 0, done.err
    assert {headers["x-team"] for _, headers in host.asked} == {"t team-secret-of-mine"}
    assert {query for query in host.queries if "code=" not in query} == set()
    assert (host.job["priority"], host.job["owner"]) == (2, {"id": "team-secret-of-mine"})
    assert "team-secret-of-mine" not in done.out + done.err
    assert [place for place, content in written().items() if b"team-secret-of-mine" in content] == []


@pytest.mark.parametrize(
    "table",
    [
        'headers = { X-Token = "pasted-secret" }',
        'query = { api_key = "pasted-secret" }',
        'headers = { "X Y" = "pasted-secret" }',
        "headers = { X-Number = 3 }",
        'body = { training_file = "pasted-secret" }',
        'headers = { X-Team = "a\\nb" }',
    ],
)
def test_what_can_not_be_sent_is_refused_without_being_shown(table: str, project: Project) -> None:
    path = project.root / "ftorch.toml"
    path.write_text(path.read_text() + table + "\n")
    refused = project.ftorch("endpoints")
    assert (refused.code, "ftorch.toml:8: endpoints.hosted." in refused.err) == (2, True), refused.err
    assert "pasted-secret" not in refused.err


def test_this_machine_is_reached_past_every_proxy(project: Project, host) -> None:
    proxy = dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"), "http://127.0.0.1:9")
    assert project.ftorch("submit", "jobs/greet.toml", "--yes", **proxy).code == 0
    assert host.asked


def test_what_the_sdk_logs_holds_no_secret(project: Project, host) -> None:
    host.text = "you sent {key}"
    path = project.root / "ftorch.toml"
    path.write_text(path.read_text() + 'headers = { X-Team = "${TEAM_SECRET}" }\n')
    secrets = {"TEAM_SECRET": "team-secret-of-mine"}
    done = project.process("submit", "jobs/greet.toml", "--yes", OPENAI_LOG="debug", **secrets)
    assert "request_id: [key]" in done.err
    assert "team-secret-of-mine" not in done.err
    assert "7f3a9c51d2e84b06" not in done.err


@pytest.mark.parametrize(
    "line",
    [
        'base_url = "https://host/v1?api_key=pasted-secret-of-twenty"',
        'max_active = "pasted-secret-of-more-than-thirty-letters"',
        'type = "pasted-secret-of-more-than-thirty-letters"',
        'api_key_env = ["pasted-secret"]',
        'pasted = "pasted-secret"',
    ],
)
def test_a_pasted_secret_is_not_shown(line: str, project: Project) -> None:
    (project.root / "ftorch.toml").write_text(f"[endpoints.hosted]\n{line}\n")
    refused = project.ftorch("endpoints")
    assert (refused.code, "ftorch.toml:2" in refused.err) == (2, True), refused.err
    assert "pasted-secret" not in refused.err


@pytest.mark.parametrize("query", ["password=pasted-secret", "sslpassword=pasted-secret"])
def test_a_databases_password_is_not_shown(query: str, project: Project) -> None:
    url = f"postgresql+psycopg://me:pasted-secret@127.0.0.1:9/runs?{query}&connect_timeout=1"
    refused = project.ftorch("status", FTORCH_DATABASE_URL=url)
    assert refused.code == 1, refused
    assert "pasted-secret" not in refused.err


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("SSL_CERT_FILE", "/nowhere/ca.pem", "names certificates that can't be read"),
        ("ALL_PROXY", "gopher://me:pasted-secret@proxy:1", "ALL_PROXY names a proxy that can't be used"),
        ("ALL_PROXY", "socks5://me:pasted-secret@proxy:1", "-m pip install socksio"),
    ],
)
def test_an_environment_that_leads_nowhere_is_named(variable: str, value: str, said: str, project: Project) -> None:
    refused = project.ftorch("endpoints", "check", "hosted", **{variable: value})
    assert (refused.code, said in refused.err) == (2, True), refused.err
    assert "pasted-secret" not in refused.err
