"""Answers through vLLM, as a scripted server plays it: given by its address, and started."""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support import scripted_vllm
from support.randommodel import SPECIAL, write_tokenizer
from support.scripted_vllm import Vllm, serve

from orchestrator.server.trainers.interface import AnswerError, Base, Machine, Question, ToolCall
from orchestrator.server.trainers.lora.bases import base_fingerprint
from orchestrator.server.trainers.lora.serving import vllmserver
from orchestrator.server.trainers.lora.serving.choosing import open_hosts
from orchestrator.server.trainers.lora.serving.dialogue import Dialogue
from orchestrator.server.trainers.lora.serving.vllm import VllmHosts
from orchestrator.server.trainers.lora.serving.vllmserver import GivenServer, StartedServer

LAND = {"name": "land", "parameters": {"type": "object", "properties": {}}}
CALL = '<tool_call>\n{"name": "land", "arguments": {}}\n</tool_call>'
RUNTIME = {"VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1"}


def ask(content: str = "Hello", **more: Any) -> Question:
    return Question([{"role": "user", "content": content}], **more)


def write_model(folder: Path) -> Base:
    size = write_tokenizer(folder)
    (folder / "config.json").write_text(json.dumps({"eos_token_id": size - 2, "max_position_embeddings": 900}))
    (folder / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}" + b"weights")
    return Base(folder.name, folder)


@pytest.fixture
def base(tmp_path) -> Base:
    return write_model(tmp_path / "small")


def write_weights(folder: Path, base: Base, rank: int = 16, template: str | None = None) -> Path:
    folder.mkdir()
    config = {"peft_type": "LORA", "r": rank, "base_model_name_or_path": "elsewhere"}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    (folder / "adapter_model.safetensors").write_bytes(b"adapter")
    about = {"base": {"fingerprint": base_fingerprint(base.folder)}}
    (folder / "model.json").write_text(json.dumps(about))
    default = "{% for m in messages %}<|im_start|>{{ m.content }}<|im_end|>{% endfor %}"
    (folder / "chat_template.jinja").write_text(template or default)
    return folder


@pytest.fixture
def weights(tmp_path, base) -> Path:
    return write_weights(tmp_path / "weights", base)


def script(base: Base, **values: Any) -> None:
    (base.folder / "script.json").write_text(json.dumps(values))


def asked(base: Base, path: str = "/v1/completions") -> list[Any]:
    """What the server was asked, oldest first."""
    notes = base.folder / "asked.jsonl"
    lines = map(json.loads, notes.read_text().splitlines()) if notes.exists() else []
    return [line for line in lines if line["path"] == path]


# --- A server that somebody runs --------------------------------------------------------------------------------


Given = Callable[..., VllmHosts]


@pytest.fixture
def given(base, tmp_path) -> Iterator[Given]:
    """Makes hosts before a server with this environment."""
    running = []

    def given(environment: dict[str, str] | None = None, *, key: str | None = None, **more: Any) -> VllmHosts:
        server = serve(Vllm(str(base.folder), base.name, environment or {}, []), 0)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        hosts = VllmHosts(
            GivenServer(f"http://127.0.0.1:{server.server_port}/v1/", key), tmp_path / "adapters", **more
        )
        running.append((server, hosts))
        return hosts

    yield given
    for server, hosts in running:
        hosts.close()
        server.shutdown()
        server.server_close()


def test_the_base_model_is_asked_with_tokens_and_answers(given, base) -> None:
    question = ask(max_tokens=50, temperature=0.5, top_p=0.9, seed=3)
    answer = given().handle(None, base).answer(question)
    assert (answer.content, answer.calls, answer.is_cut, answer.completion_tokens) == ("Hello", (), False, 7)
    [sent] = asked(base)
    prompt = Dialogue(base.folder, None).prompt(question)
    assert answer.prompt_tokens == len(prompt)
    assert sent["body"] == {
        "model": "small",
        "prompt": prompt,
        "max_tokens": 50,
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 3,
        "stop_token_ids": [257],
        "skip_special_tokens": False,
        "spaces_between_special_tokens": False,
    }


def test_a_call_is_held_by_our_grammar_and_read_by_our_parser(given, base) -> None:
    script(base, text=f"Down.\n{CALL}{SPECIAL[1]}")
    answer = given().handle(None, base).answer(ask(tools=[LAND], choice="required", stops=["}"]))
    assert (answer.content, answer.calls) == ("Down.", (ToolCall("land", {}),))
    [sent] = asked(base)
    assert "land" in sent["body"]["structured_outputs"]["grammar"]
    assert "stop" not in sent["body"]


def test_free_decoding_sends_no_grammar(given, base) -> None:
    given(constrained=False).handle(None, base).answer(ask(tools=[LAND]))
    assert "structured_outputs" not in asked(base)[0]["body"]


def test_stops_are_sent_where_no_call_can_hold_them(given, base) -> None:
    given().handle(None, base).answer(ask(stops=["x", "y"]))
    assert asked(base)[0]["body"]["stop"] == ["x", "y"]


def test_a_grammar_that_vllm_refuses_is_left_out_and_said_once(given, base, caplog) -> None:
    script(base, **{"refuses grammars": True, "text": CALL})
    handle = given().handle(None, base)
    for _ in range(2):
        assert handle.answer(ask(tools=[LAND])).calls
    assert caplog.text.count("vLLM refused a grammar") == 1


def test_an_answer_that_was_cut_says_so(given, base) -> None:
    script(base, text="Hel", finish="length")
    assert given().handle(None, base).answer(ask()).is_cut


def test_an_adapter_is_found_by_the_resolver_with_its_own_template(given, base, weights, tmp_path) -> None:
    adapters = tmp_path / "adapters"
    environment = {
        **RUNTIME,
        "VLLM_PLUGINS": "lora_filesystem_resolver",
        "VLLM_LORA_RESOLVER_CACHE_DIR": str(adapters),
    }
    handle = given(environment).handle(weights, base)
    handle.answer(ask())
    [sent] = asked(base)
    assert not asked(base, "/v1/load_lora_adapter")
    folder = adapters / sent["body"]["model"]
    assert json.loads((folder / "adapter_config.json").read_text())["base_model_name_or_path"] == str(base.folder)
    assert (folder / "adapter_model.safetensors").resolve() == weights / "adapter_model.safetensors"
    dialogue = Dialogue(base.folder, weights)
    assert dialogue.text(sent["body"]["prompt"]) == "<|im_start|>Hello<|im_end|>"
    assert handle.tokenize(ask().messages, []) == sent["body"]["prompt"]


def test_two_adapters_have_two_names_and_one_keeps_its_name(given, base, weights, tmp_path) -> None:
    other = write_weights(tmp_path / "other", base)
    for hosts in (given(RUNTIME), given(RUNTIME)):
        for each in (weights, other):
            hosts.handle(each, base).answer(ask())
    names = [line["body"]["model"] for line in asked(base)]
    assert len(set(names)) == 2
    assert set(names[: len(names) // 2]) == set(names[len(names) // 2 :])


def test_an_adapter_is_named_to_a_server_that_does_not_look_in_our_folder(given, base, weights, tmp_path) -> None:
    given(RUNTIME).handle(weights, base).answer(ask())
    first, second = asked(base)
    [loaded] = asked(base, "/v1/load_lora_adapter")
    assert first["body"]["model"] == second["body"]["model"] == loaded["body"]["lora_name"]
    assert loaded["body"]["lora_path"] == str(tmp_path / "adapters" / first["body"]["model"])


def test_a_server_that_takes_no_adapters_is_told_how_to_be_started(given, base, weights) -> None:
    with pytest.raises(
        AnswerError, match=r"(?s)does not load the adapter .*Not Found.*VLLM_LORA_RESOLVER_CACHE_DIR="
    ):
        given().handle(weights, base).answer(ask())


def test_a_key_is_sent(given, base) -> None:
    given({"VLLM_API_KEY": "key"}, key="key").handle(None, base).answer(ask())
    with pytest.raises(AnswerError, match=r"HTTP 401: .*Unauthorized"):
        given({"VLLM_API_KEY": "key"}).handle(None, base).answer(ask())


def test_a_server_of_another_model_is_named(given, base, tmp_path) -> None:
    other = write_model(tmp_path / "other")
    with pytest.raises(AnswerError, match=r"serves small, and not other\. Start it with: --model .*other"):
        given().handle(None, other).answer(ask())


def test_a_model_is_known_by_its_folder_too(given, base) -> None:
    assert given().handle(None, Base("renamed", base.folder)).answer(ask()).content == "Hello"
    assert asked(base)[0]["body"]["model"] == "small"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"status": 500, "message": "engine died"}, "HTTP 500: engine died"),
        ({"body": {"choices": []}}, "is no completion"),
        ({"body": [1]}, "is no JSON object"),
    ],
)
def test_an_answer_that_is_none_is_an_error(values, message, given, base) -> None:
    script(base, **values)
    with pytest.raises(AnswerError, match=message):
        given().handle(None, base).answer(ask())


def test_a_server_that_is_not_there_is_named(base, tmp_path) -> None:
    hosts = VllmHosts(GivenServer("http://127.0.0.1:9"), tmp_path / "adapters")
    with pytest.raises(AnswerError, match=r"vLLM did not answer: http://127\.0\.0\.1:9: "):
        hosts.handle(None, base).answer(ask())
    hosts.close()


def test_weights_that_are_gone_or_of_another_base_are_refused(given, base, weights, tmp_path) -> None:
    hosts = given(RUNTIME)
    handle = hosts.handle(weights, base)
    (base.folder / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}" + b"other")
    with pytest.raises(AnswerError, match="has changed since this model was trained on it"):
        handle.answer(ask())
    shutil.rmtree(weights)
    with pytest.raises(AnswerError, match="are gone"):
        handle.answer(ask())


def test_a_prompt_beyond_the_context_is_not_sent(given, base) -> None:
    with pytest.raises(AnswerError, match="the model takes 900"):
        given().handle(None, base).answer(ask("x" * 1000))
    assert not asked(base)


# --- A server that is started -----------------------------------------------------------------------------------


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until(holds: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def python(tmp_path, monkeypatch) -> str:
    """A Python whose vLLM is the scripted one."""
    monkeypatch.setattr(vllmserver, "LOOK_SECONDS", 0.02)
    program = tmp_path / "python"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{scripted_vllm.__file__}" "$@"\n')
    program.chmod(0o700)
    return str(program)


@pytest.fixture
def started(python, tmp_path) -> Iterator[Callable[..., VllmHosts]]:
    made: list[VllmHosts] = []

    def started(idle_seconds: float = 60) -> VllmHosts:
        adapters = tmp_path / "adapters"
        made.append(VllmHosts(StartedServer(python, adapters, tmp_path / "vllm.log", idle_seconds), adapters))
        return made[-1]

    yield started
    for each in made:
        each.close()


def pids(*bases: Base) -> list[int]:
    return list(dict.fromkeys(line["pid"] for base in bases for line in asked(base)))


def test_one_server_is_started_for_base_and_adapters_and_ends_with_us(started, base, weights) -> None:
    hosts = started()
    handles = [hosts.handle(None, base), hosts.handle(weights, base)]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda number: handles[number % 2].answer(ask()).content, range(6)))
    assert answers == ["Hello"] * 6
    [pid] = pids(base)
    arguments, environment = asked(base)[0]["arguments"], asked(base)[0]["environment"]
    assert arguments[:4] == ["--model", str(base.folder), "--served-model-name", "small"]
    assert arguments[arguments.index("--max-lora-rank") + 1] == "16"
    assert "--enable-lora" in arguments
    assert environment["VLLM_PLUGINS"] == "lora_filesystem_resolver"
    assert not asked(base, "/v1/load_lora_adapter")
    hosts.close()
    assert not is_alive(pid)
    with pytest.raises(AnswerError, match="the server is ending"):
        handles[0].answer(ask())


def test_a_server_that_dies_is_started_again_and_finds_the_adapter(started, base, weights) -> None:
    handle = started().handle(weights, base)
    handle.answer(ask())
    script(base, dies=True)
    assert handle.answer(ask()).content == "Hello"
    assert len(pids(base)) == 2


def test_another_base_or_a_higher_rank_replaces_the_server(started, base, tmp_path) -> None:
    other, high = write_model(tmp_path / "other"), write_weights(tmp_path / "high", base, rank=20)
    hosts = started()
    for weights, model in ((None, base), (high, base), (None, base), (None, other)):
        hosts.handle(weights, model).answer(ask())
    first, second = pids(base)
    assert [line["pid"] for line in asked(base)] == [first, second, second]
    assert not is_alive(first)
    assert not is_alive(second)
    [third] = pids(other)
    assert is_alive(third)
    arguments = asked(base)[1]["arguments"]
    assert arguments[arguments.index("--max-lora-rank") + 1] == "32"


def test_an_idle_server_ends_and_the_next_question_starts_another(started, base) -> None:
    handle = started(idle_seconds=0.3).handle(None, base)
    handle.answer(ask())
    [first] = pids(base)
    wait_until(lambda: not is_alive(first))
    handle.answer(ask())
    assert len(pids(base)) == 2


def test_a_server_that_does_not_start_shows_the_end_of_its_log(started, base) -> None:
    script(base, ends="CUDA error: no device")
    with pytest.raises(
        AnswerError, match=r"(?s)vLLM ended before it could answer for small\..*CUDA error: no device"
    ):
        started().handle(None, base).answer(ask())


def test_a_python_without_vllm_is_named_with_the_command_that_installs_it(started, base, python) -> None:
    script(base, ends=f"{python}: Error while finding module specification: No module named 'vllm'")
    with pytest.raises(AnswerError, match=r"has no vllm\. Run: .*python -m pip install vllm"):
        started().handle(None, base).answer(ask())


def test_settings_choose_the_hosts(tmp_path, base, given) -> None:
    url = given()._servers._address.url
    machine = Machine(tmp_path / "machine", sys.executable, "vllm", f"{url}/v1", constrained=False)
    hosts = open_hosts(machine)
    assert hosts.handle(None, base).answer(ask(tools=[LAND])).content == "Hello"
    assert "structured_outputs" not in asked(base)[0]["body"]
    hosts.close()
    for each in (
        Machine(tmp_path / "machine", sys.executable),
        Machine(tmp_path / "machine", sys.executable, "vllm"),
    ):
        open_hosts(each).close()
    assert not list((tmp_path / "machine").glob("hosts/*.log"))
