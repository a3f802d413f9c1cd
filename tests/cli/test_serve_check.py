"""`ftorch serve check`: the prompts of training and serving, with a host in place of the one that needs torch."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from support.exporting import make_base, train_by_scribe
from support.project import Project, Result, make_project

from orchestrator.dataset.rendering.renderer import open_renderer

pytest.importorskip("tokenizers")
TOP = Path(__file__).parents[2]
HOST = f"""#!{sys.executable}
import json, sys
from pathlib import Path
from orchestrator.dataset.rendering.renderer import open_renderer

print(json.dumps({{"ready": "a host"}}), flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    renderer = open_renderer(Path(sys.argv[-1]), template=Path(asked["weights"]) / "chat_template.jinja")
    tools = asked["tools"]
    CHANGE_TOOLS
    ids = list(renderer.prompt(asked["messages"], tools, parallel=asked["parallel"]).ids)
    CHANGE_IDS
    print(json.dumps({{"id": asked["id"], "tokens": ids}}), flush=True)
"""
"""Answers `tokenize` as the host does, with two places for mistakes."""
WITHOUT_TORCH = f'#!{sys.executable}\nprint(\'{{"missing": "torch"}}\', flush=True)\n'
RIGHT: dict[str, str] = {"CHANGE_TOOLS": "", "CHANGE_IDS": ""}


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose job has an evaluation file of six cases, and a tuned model."""
    top = tmp_path_factory.mktemp("tuned")
    base = make_base(top / "models" / "smol")
    project = make_project(top / "project")
    (project.root / "ftorch.toml").write_text(
        f'[models]\nsmol = "{base}"\n[endpoints.local]\npython = "{project.root}/host"\n'
    )
    rows = [json.loads(line) for line in (project.root / "jobs" / "train.jsonl").read_text().splitlines()[:6]]
    rows[3]["messages"][-1]["weight"] = 0
    rows[4]["messages"].insert(0, {"role": "system", "content": "You switch lights."})
    cases = "".join(json.dumps(row) + "\n" for row in rows).replace("Switch on the light in the", "Light up the")
    (project.root / "jobs" / "cases.jsonl").write_text(cases)
    write_host(project)
    project.write_job('[evaluation]\nfile = "cases.jsonl"\n', model='model = "smol"')
    with pytest.MonkeyPatch.context() as patch:
        train_by_scribe(patch)
        done = project.ftorch("submit", "jobs/greet.toml", "--yes")
    assert done.code == 0, done.err
    return project


def write_host(project: Project, text: str = HOST, **changes: str) -> None:
    for place, change in {**RIGHT, **changes}.items():
        text = text.replace(place, change)
    path = project.root / "host"
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def check(tuned: Project) -> Iterator[Callable[..., Result]]:
    """Checks with a host that makes these mistakes."""

    def check(*options: str, text: str = HOST, **changes: str) -> Result:
        write_host(tuned, text, **changes)
        return tuned.ftorch("serve", "check", "greet", *options)

    yield check
    write_host(tuned)


# --- By the endpoint's own host ----------------------------------------------------------------------------------


def test_the_same_prompts_are_said_to_be_the_same(check, tuned: Project) -> None:
    done = check()
    assert done.code == 0, done.err
    assert "6 cases of jobs/cases.jsonl" in done.out
    assert "0 tokens differ" in done.out
    found = json.loads(check("--json").out)
    assert (found["cases"], found["differing_tokens"], found["first_difference"]) == (6, 0, None)
    assert found["tokens"] == sum(map(len, trained_prompts(tuned)))


def trained_prompts(project: Project) -> list[list[int]]:
    """The prompts of the cases, with a model whose tokens are bytes: everything before the call."""
    renderer = open_renderer(project.root.parent / "models" / "smol")
    rows = [json.loads(line) for line in (project.root / "jobs" / "cases.jsonl").read_text().splitlines()]
    return [renderer.prompt(row["messages"][:-1], row["tools"]).ids for row in rows]


def test_tools_that_serving_drops_are_seen_with_their_place(check) -> None:
    done = check(CHANGE_TOOLS="tools = []")
    assert done.code == 1
    assert "in 6 cases differ: the model is served prompts that it was not trained on" in done.out
    assert "First difference: line 1, token " in done.out
    trained, _, served = done.out.partition("  training  ")[2].partition("  serving   ")
    assert trained.startswith("'system\\nFunctions that")
    assert served.startswith("'user\\nLight up the hall")


def test_one_token_of_one_case_is_found_and_decoded(check) -> None:
    done = check("--json", CHANGE_IDS='"yard" in line and ids.__setitem__(-1, ids[5])')
    found = json.loads(done.out)
    assert (done.code, found["differing_cases"], found["differing_tokens"]) == (1, 1, 1)
    first = found["first_difference"]
    assert (first["line"], first["trained"]) == (3, "\n")
    assert first["before"].endswith("assistant")


def test_a_prompt_that_is_cut_off_differs_by_what_is_missing(check) -> None:
    found = json.loads(check("--json", CHANGE_IDS="ids = ids[:-4]").out)
    assert (found["differing_cases"], found["differing_tokens"]) == (6, 24)
    assert found["first_difference"]["served"] == ""


def test_another_file_is_checked_on_request(check, tuned: Project) -> None:
    found = json.loads(check("--json", "--file", "jobs/train.jsonl").out)
    assert found["cases"] == 12


def test_a_model_without_an_evaluation_file_needs_one(tuned: Project) -> None:
    job = tuned.root / "jobs" / "greet.toml"
    before = job.read_text()
    job.write_text(before.partition("[evaluation]")[0])
    refused = tuned.ftorch("serve", "check", "greet")
    job.write_text(before)
    assert refused.code == 2
    assert "Give one with --file" in refused.err


def test_a_host_without_torch_gets_the_command_that_installs_it(check) -> None:
    refused = check(text=WITHOUT_TORCH)
    assert refused.code == 1
    assert "cases.jsonl, line 1: the prompts of this case can't be compared" in refused.err
    assert "has no torch. Run: " in refused.err


def test_without_tokenizers_the_command_that_installs_it_is_named(check, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    refused = check()
    assert refused.code == 1
    assert "needs tokenizers, which is not installed" in refused.err


def test_the_options_of_the_server_are_no_options_of_the_check(tuned: Project) -> None:
    refused = tuned.ftorch("serve", "--port", "3", "check", "greet")
    assert refused.code == 2
    assert "--port is an option of `ftorch serve` without check" in refused.err


# --- By a vLLM server --------------------------------------------------------------------------------------------


class Vllm(BaseHTTPRequestHandler):
    """A scripted vLLM: its models, and the tokens that the model's own renderer makes."""

    models: tuple[dict[str, Any], ...] = ({"id": "smol"}, {"id": "tuned", "parent": "smol"})
    asked: tuple[dict[str, Any], ...] = ()
    base = Path()
    status = 200

    def do_GET(self) -> None:
        self._send({"object": "list", "data": self.models})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        Vllm.asked = (*Vllm.asked, {"path": self.path, **body})
        tokens = open_renderer(Vllm.base).prompt(body["messages"], body.get("tools")).ids
        self._send({"count": len(tokens), "max_model_len": 4096, "tokens": tokens})

    def log_message(self, *_: Any) -> None:
        """Not on the terminal of the tests."""

    def _send(self, value: object) -> None:
        content = json.dumps(value).encode()
        self.send_response(Vllm.status)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def vllm(tuned: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of the scripted server."""
    monkeypatch.setattr(Vllm, "base", tuned.root.parent / "models" / "smol")
    monkeypatch.setattr(Vllm, "asked", ())
    with ThreadingHTTPServer(("127.0.0.1", 0), Vllm) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("path", ["", "/", "/v1"])
def test_the_prompts_of_a_vllm_server_are_compared(path: str, tuned: Project, vllm: str) -> None:
    done = tuned.ftorch("serve", "check", "greet", "--url", f"{vllm}{path}")
    assert (done.code, done.err.count("Error")) == (0, 0), done.err
    assert "0 tokens differ" in done.out
    assert {(each["path"], each["model"]) for each in Vllm.asked} == {("/tokenize", "tuned")}


def test_an_endpoint_that_answers_through_vllm_is_compared_with_its_own(tuned: Project, vllm: str) -> None:
    config = tuned.root / "ftorch.toml"
    before = config.read_text()
    config.write_text(f'{before}serving = "vllm"\n')
    refused = tuned.ftorch("serve", "check", "greet")
    config.write_text(f'{before}serving = "vllm"\nvllm_url = "{vllm}"\n')
    done = tuned.ftorch("serve", "check", "greet")
    config.write_text(before)
    assert (refused.code, "Give it with --url, or set vllm_url under [endpoints.local]" in refused.err) == (2, True)
    assert (done.code, len(Vllm.asked)) == (0, 6), done.err


def test_a_model_of_several_is_named(tuned: Project, vllm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Vllm, "models", ({"id": "one"}, {"id": "two"}))
    refused = tuned.ftorch("serve", "check", "greet", "--url", vllm)
    assert refused.code == 1
    assert "has several models (one, two); name this one with --served-name" in refused.err
    assert tuned.ftorch("serve", "check", "greet", "--url", vllm, "--served-name", "two").code == 0
    assert {each["model"] for each in Vllm.asked} == {"two"}


def test_a_server_that_is_no_vllm_is_named(tuned: Project, vllm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Vllm, "status", 404)
    refused = tuned.ftorch("serve", "check", "greet", "--url", vllm)
    assert (refused.code, f"{vllm}/v1/models answered 404" in refused.err) == (1, True)
    nobody = tuned.ftorch("serve", "check", "greet", "--url", "http://127.0.0.1:9")
    assert (nobody.code, "127.0.0.1:9/v1/models can't be reached" in nobody.err) == (1, True)
