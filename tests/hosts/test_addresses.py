"""What stands in `ftorch.toml` and in the environment: addresses, variables of other tools, and proxies."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from support.scripted_host import CREATE, LIST, Answer

_OF_OTHER_TOOLS = {
    "OPENAI_ORG_ID": "org-of-another-tool",
    "OPENAI_PROJECT_ID": "proj-of-another-tool",
    "OPENAI_BASE_URL": "http://127.0.0.1:9/v1",
    "OPENAI_API_KEY": "canary-key-of-another-tool",
    "OPENAI_CUSTOM_HEADERS": "X-Extra: of-another-tool",
    "OPENAI_LOG": "debug",
}


def set_up(customer, old, new):
    settings = customer.project.root / "ftorch.toml"
    settings.write_text(settings.read_text().replace(old, new))


@pytest.mark.parametrize("end", ["/", "//"], ids=["a slash", "two slashes"])
def test_an_address_may_end_with_slashes(end, host, customer):
    set_up(customer, f'"{host.url}"', f'"{host.url}{end}"')
    assert customer.submit().code == 0
    assert (host.creates, customer.run()["state"]) == (1, "succeeded")


def test_an_address_with_a_path_too_many_pays_nothing(host, customer):
    set_up(customer, f'"{host.url}"', f'"{host.url}/fine_tuning/jobs"')
    assert customer.ftorch("endpoints", "check", "hosted").code != 0
    assert customer.submit().code != 0
    assert (host.creates, host.jobs) == (0, {})


def test_what_other_tools_have_in_the_environment_does_not_go_to_a_compatible_host(host, customer):
    host.on(LIST, Answer(200, {"object": "list", "data": []}))
    assert customer.ftorch("endpoints", "check", "hosted", **_OF_OTHER_TOOLS).code == 0
    assert host.asked
    for asked in host.asked:
        assert "of-another-tool" not in str(dict(asked.headers))
        assert asked.headers["authorization"] == "Bearer canary-key-of-a-scripted-host"


def test_a_redirect_to_a_signed_address_shows_and_keeps_no_signature(host, customer):
    host.on(LIST, Answer(307, {}, {"Location": "https://blob.example/jobs?sv=2024&sig=SECRET-SIGNATURE"}))
    done = customer.ftorch("endpoints", "check", "hosted")
    assert done.code != 0
    assert "blob.example" in done.err + done.out
    assert "SECRET-SIGNATURE" not in done.err + done.out


def test_a_host_that_reads_numbers_at_the_top_is_told_about_and_can_be_set_so(host, customer):
    def old(asked):
        extra = {"type": "extra_forbidden", "loc": ["body", "method"], "msg": "Extra inputs are not permitted"}
        return Answer(422, {"detail": [extra]}) if "method" in asked.fields else None

    host.on(CREATE, old)
    done = customer.submit()
    assert (done.code, customer.run()["state"], len(host.jobs)) == (1, "failed", 0)
    assert 'hyperparameters = "top-level"' in done.err
    settings = customer.project.root / "ftorch.toml"
    settings.write_text(settings.read_text() + 'hyperparameters = "top-level"\n')
    assert customer.submit(name="again").code == 0
    assert (len(host.jobs), customer.run("again")["state"]) == (1, "succeeded")


# --- On the way ---------------------------------------------------------------------------------------------------


class _Refuses(BaseHTTPRequestHandler):
    refusal = (407, "Proxy Authentication Required")

    def do_CONNECT(self) -> None:
        self.send_response(*self.refusal)
        self.send_header("content-length", "0")
        self.end_headers()

    do_GET = do_POST = do_CONNECT  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def proxy(*refusal: object) -> Iterator[str]:
    handler = type("Handler", (_Refuses,), {"refusal": refusal}) if refusal else _Refuses
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_proxy_that_asks_for_a_password_ends_the_command_with_the_remedy(host, customer):
    set_up(customer, f'"{host.url}"', '"https://api.example.com/v1"')
    with proxy() as address:
        done = customer.submit(HTTPS_PROXY=address, NO_PROXY="")
    assert (done.code, customer.run()["state"], host.asked) == (1, "uploading", [])
    assert "407 Proxy Authentication Required" in done.err
    assert "the proxy that HTTPS_PROXY names, as in http://USER:PASSWORD@HOST:PORT" in done.err
    assert "unconfirmed" not in done.err
    assert done.err.rstrip().endswith("run: ftorch resume")
    set_up(customer, '"https://api.example.com/v1"', f'"{host.url}"')
    assert customer.ftorch("resume").code == 0
    assert len(host.jobs) == 1


def test_a_proxy_asked_in_plain_http_ends_the_command_with_the_remedy_too(host, customer):
    set_up(customer, f'"{host.url}"', '"http://api.example.com/v1"\nallow_http = true')
    with proxy() as address:
        done = customer.ftorch("endpoints", "check", "hosted", HTTP_PROXY=address, NO_PROXY="")
    assert done.code == 1
    assert "the proxy that HTTP_PROXY names, as in http://USER:PASSWORD@HOST:PORT" in done.err


def test_a_proxy_that_does_not_allow_the_host_is_named(host, customer):
    set_up(customer, f'"{host.url}"', '"https://api.example.com/v1"')
    with proxy(403, "Forbidden") as address:
        done = customer.ftorch("endpoints", "check", "hosted", HTTPS_PROXY=address, NO_PROXY="")
    assert done.code == 1
    assert "have api.example.com allowed on the proxy that HTTPS_PROXY names" in done.err


@pytest.mark.parametrize("command", [("endpoints", "check"), ("doctor",), ("adopt", "--all", "--endpoint")])
def test_a_proxy_that_is_down_is_named_and_the_same_command_is_the_next_step(command, host, customer):
    set_up(customer, f'"{host.url}"', '"https://api.example.com/v1"')
    done = customer.ftorch(*command, "hosted", HTTPS_PROXY="http://127.0.0.1:9", NO_PROXY="")
    assert done.code == 1
    assert "https://api.example.com/v1" in done.err
    assert "through the proxy that HTTPS_PROXY names: check that address." in done.err
    assert done.err.rstrip().endswith("When it is back, run the same command again")


def test_a_host_that_is_asked_past_the_proxy_names_no_proxy(host, customer):
    set_up(customer, f'"{host.url}"', '"https://127.0.0.1:9/v1"')
    done = customer.ftorch("endpoints", "check", "hosted", HTTPS_PROXY="http://127.0.0.1:9")
    assert done.code == 1
    assert "HTTPS_PROXY" not in done.err


def test_a_file_of_certificates_that_is_not_there_is_named(host, customer):
    set_up(customer, f'"{host.url}"', '"https://api.example.com/v1"')
    done = customer.ftorch("endpoints", "check", "hosted", SSL_CERT_FILE="/nowhere/ca.pem")
    assert done.code != 0
    assert "SSL_CERT_FILE" in done.err
