"""Who may see the page and change something: names, origins, tokens and secrets. The headers of every answer."""

from __future__ import annotations

import pytest
from starlette.routing import Route
from support.page import ADDRESS

from orchestrator.web.guard import POLICY

TOKEN = "a-token-that-is-long-enough"
NAVIGATION = {"sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}
PATHS = ["/", "/runs", "/live/runs", "/static/app.js", "/nowhere"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example:8008", "127.0.0.2", "", "a@localhost"])
async def test_another_host_name_is_misdirected(browser, path, host):
    refused = await browser.get(path, host=host)
    assert refused.status_code == 421
    assert "--allow-host NAME" in refused.text


@pytest.mark.parametrize("host", ["127.0.0.1:8008", "localhost:9000", "[::1]:8008"])
async def test_loopback_answers_to_its_names(browser, host):
    assert (await browser.get("/", host=host)).status_code == 200


async def test_an_allowed_name_is_answered(open_page):
    assert (await open_page(allowed=("runs.example",)).get("/", host="runs.example")).status_code == 200


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site", "sec_fetch_mode": "no-cors", "sec_fetch_dest": "image"},
        {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "iframe"},
    ],
)
async def test_what_another_sites_page_loads_is_refused(browser, path, headers):
    refused = await browser.get(path, **headers)
    assert refused.status_code == 403
    assert not [name for name in refused.headers if name.startswith("access-control")]


async def test_a_link_on_another_site_opens_the_page(browser):
    assert (await browser.get("/runs", sec_fetch_site="cross-site", **NAVIGATION)).status_code == 200


async def test_a_form_of_another_site_is_refused(browser, record):
    run = record(state="running")
    fields = {"form_secret": browser.app.state.context.settings.form_secret}
    refused = await browser.post(f"/runs/{run.id}/cancel", fields, sec_fetch_site="cross-site", **NAVIGATION)
    assert refused.status_code == 403


@pytest.mark.parametrize("path", [*PATHS, "/runs/none", "/static/nowhere.js"])
async def test_every_answer_forbids_scripts_frames_and_copies(browser, path):
    if path.startswith("/live"):
        async with browser.stream(path) as stream:
            await stream.event()
            assert stream.headers[b"content-security-policy"].decode() == POLICY
        return
    answer = await browser.get(path)
    assert answer.headers["content-security-policy"] == POLICY
    assert "'unsafe" not in POLICY
    assert "default-src 'none'" in POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    is_kept = path == "/static/app.js"
    assert ("no-store" in answer.headers["cache-control"]) is not is_kept


async def test_an_error_of_ftorch_is_a_page_without_its_trace(browser, monkeypatch, caplog):
    def broken() -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(browser.app.state.context.ledger, "current", broken)
    answer = await browser.get("/")
    assert answer.status_code == 500
    assert "secret detail" not in answer.text
    assert "the terminal of ftorch ui shows why" in answer.text
    assert answer.headers["content-security-policy"] == POLICY
    assert "secret detail" in caplog.text


# --- The token ----------------------------------------------------------------------------------------------------


async def test_without_the_token_nothing_is_shown(open_page, record):
    run = record(name="hidden-run")
    browser = open_page(token=TOKEN)
    for path in ("/", "/runs", f"/runs/{run.id}", "/live/runs", "/static/app.js", "/nowhere"):
        refused = await browser.get(path)
        assert refused.status_code == 401
        assert "hidden-run" not in refused.text
    assert (await browser.get("/", cookie="ftorch_ui=1; x")).status_code == 401


async def test_the_token_becomes_a_cookie_that_scripts_can_not_read(open_page):
    browser = open_page(token=TOKEN)
    entered = await browser.get(f"/runs?state=running&token={TOKEN}")
    assert (entered.status_code, entered.headers["location"]) == (303, "/runs?state=running")
    cookie = entered.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert TOKEN not in cookie
    assert (await browser.get("/runs")).status_code == 200


@pytest.mark.parametrize("given", ["", "x", TOKEN[:-1], f"{TOKEN}x", "ü"])
async def test_a_wrong_token_opens_nothing(open_page, given):
    browser = open_page(token=TOKEN)
    refused = await browser.get(f"/?token={given}")
    assert refused.status_code == 401
    assert "set-cookie" not in refused.headers


async def test_the_token_leads_to_no_other_site(open_page):
    entered = await open_page(token=TOKEN).get(f"/%2Fevil.example/?token={TOKEN}")
    assert entered.headers["location"] == "/evil.example/"


# --- Forms --------------------------------------------------------------------------------------------------------


async def test_a_form_without_the_secret_of_this_start_changes_nothing(browser, record, ledger):
    run = record(state="running", job_id="job-1")
    for fields in ({"other": "1"}, {"form_secret": ""}, {"form_secret": "guessed"}):
        refused = await browser.post(f"/runs/{run.id}/cancel", fields, origin=ADDRESS)
        assert refused.status_code == 403
    assert ledger.run(run.id).requested_action is None


async def test_a_huge_form_is_not_read(browser, record):
    run = record(state="running")
    refused = await browser.post(f"/runs/{run.id}/cancel", {"form_secret": "x" * 100_000})
    assert refused.status_code == 413


async def test_only_a_form_is_taken(browser, record):
    run = record(state="running")
    refused = await browser.client.post(f"/runs/{run.id}/cancel", json={"form_secret": "x"})
    assert refused.status_code == 400


async def test_read_only_has_no_route_that_writes(open_page, record):
    browser = open_page(is_read_only=True)
    methods = {method for route in browser.app.routes if isinstance(route, Route) for method in route.methods}
    assert methods == {"GET", "HEAD"}
    run = record(state="running", job_id="job-1")
    secret = browser.app.state.context.settings.form_secret
    refused = await browser.post(f"/runs/{run.id}/cancel", {"form_secret": secret}, origin=ADDRESS)
    assert refused.status_code in (404, 405)
    assert (await browser.get(f"/runs/{run.id}/cancel")).status_code == 404
    shown = (await browser.get(f"/runs/{run.id}")).text
    assert "read only" in shown
    assert 'method="post"' not in shown
    assert "/cancel" not in shown


def test_the_other_page_has_routes_that_write(browser):
    assert any("POST" in route.methods for route in browser.app.routes if isinstance(route, Route))
